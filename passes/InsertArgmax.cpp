// Beside the logits, the function returns the best token of each tile of them, and on a device the sampled token.
#include "passes/Passes.h"
#include "passes/Program.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/Builders.h"
#include "passes/Remark.h"
#include "passes/Target.h"

namespace llmc {
#define GEN_PASS_DEF_INSERTARGMAX
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

struct InsertArgmaxPass : impl::InsertArgmaxBase<InsertArgmaxPass> {
  using InsertArgmaxBase::InsertArgmaxBase;

  void runOnOperation() override {
    auto machine = targetOf(getOperation(), target);
    if (failed(machine))
      return signalPassFailure();
    for (auto function : definedFunctions(getOperation()))
      rewrite(function, *machine);
  }

  void rewrite(func::FuncOp function, Target machine) {
    func::ReturnOp ret = returnOf(function);
    if (!ret || ret.getNumOperands() != 1 || !batchOf(function))
      return; // no program, or done already
    Value logits = ret.getOperand(0);
    Operation *source = logits.getDefiningOp();
    if (!llm::isActivation(logits.getType()) || !llm::rowsDim(logits.getType()).isS() || !source) {
      missed(ret, "F8") << "expected f32 logits of selected rows, found " << logits.getType();
      return;
    }
    OpBuilder builder(ret);
    const bool cuda = machine == Target::Cuda;
    Value kept = logits;
    // A device keeps all logits: what crosses the bus is chosen when it is copied.
    if (!cuda)
      kept = llm::KeepRowsOp::create(builder, source->getLoc(), logits, function.getArgument(0));
    auto best = llm::ArgmaxOp::create(builder, source->getLoc(), logits, cuda ? kCudaArgmaxTile : kArgmaxTile);
    llvm::SmallVector<Value> results = {kept, best.getResult()};
    if (cuda && llm::cols(logits.getType()) <= llm::SampleOp::kMostColumns)
      results.push_back(llm::SampleOp::create(builder, source->getLoc(), logits, best, function.getArgument(0)));
    ret.getOperandsMutable().assign(results);
    function.setFunctionType(builder.getFunctionType(function.getArgumentTypes(), ret.getOperandTypes()));
  }
};

} // namespace
} // namespace llmc
