// Moves the choice of rows before the final norm and head.
#include "passes/Passes.h"
#include "passes/Program.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/Builders.h"

namespace llmc {
#define GEN_PASS_DEF_INSERTSELECTROWS
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// The activation a row-wise op with one activation operand works on, or null for any other op.
Value rowInput(Operation *op) {
  const auto rowWise = [](Operation *op) {
    return isa<llm::LinearOp, llm::QuantizeOp, llm::RoundRowsOp, llm::RMSNormOp, llm::LayerNormOp>(op) ||
           (op->hasTrait<llm::Elementwise>() && op->getNumOperands() == 1);
  };
  return op && rowWise(op) ? op->getOperand(0) : Value();
}

/// The same type with S rows.
Type withSelectedRows(Type type) {
  if (auto quantized = dyn_cast<llm::QActType>(type))
    return llm::QActType::get(type.getContext(), llm::Dim::S(), quantized.getCols(), quantized.getZero());
  auto tensor = cast<RankedTensorType>(type);
  return llm::activationType(type.getContext(), llm::Dim::S(), llm::cols(type), tensor.getElementType());
}

struct InsertSelectRowsPass : impl::InsertSelectRowsBase<InsertSelectRowsPass> {
  void runOnOperation() override {
    for (auto function : definedFunctions(getOperation()))
      if (failed(rewrite(function)))
        return signalPassFailure();
  }

  LogicalResult rewrite(func::FuncOp function) {
    func::ReturnOp ret = returnOf(function);
    Value batch = batchOf(function);
    if (!ret || ret.getNumOperands() == 0 || !llm::isActivation(ret.getOperand(0).getType()) || !batch)
      return function.emitOpError(
                 "expected a program, !llm.batch as its first argument and logits as its first result, found ")
             << function.getFunctionType();
    Value logits = ret.getOperand(0);
    if (llm::rowsDim(logits.getType()).isS())
      return success(); // already selected
    llvm::SmallVector<Operation *> chain;
    Value at = logits;
    while (Value input = rowInput(at.getDefiningOp())) {
      if (!at.hasOneUse())
        break;
      chain.push_back(at.getDefiningOp());
      at = input;
    }
    if (chain.empty())
      return ret.emitOpError("expected logits made by row-wise ops, found none to put a selection before");
    OpBuilder builder(chain.back());
    auto select = llm::SelectRowsOp::create(builder, chain.back()->getLoc(), at, batch);
    chain.back()->setOperand(0, select.getResult());
    for (Operation *op : llvm::reverse(chain))
      op->getResult(0).setType(withSelectedRows(op->getResult(0).getType()));
    auto type = FunctionType::get(&getContext(), function.getArgumentTypes(), ret.getOperandTypes());
    function.setFunctionType(type);
    return success();
  }
};

} // namespace
} // namespace llmc
