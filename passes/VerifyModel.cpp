// Whole-model checks after import.
#include "passes/Passes.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseSet.h"

namespace llmc {
#define GEN_PASS_DEF_VERIFYMODEL
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

struct VerifyModelPass : impl::VerifyModelBase<VerifyModelPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    if (!forward) {
      module.emitError("expected a function @forward, found none");
      return signalPassFailure();
    }
    if (failed(verifySignature(forward)) || failed(verifyCache(forward)) || failed(verifyWeights(module)))
      signalPassFailure();
  }

  LogicalResult verifySignature(func::FuncOp forward) {
    FunctionType type = forward.getFunctionType();
    bool good = type.getNumInputs() == 2 && isa<llm::BatchType>(type.getInput(0)) &&
                isa<llm::KvType>(type.getInput(1)) && type.getNumResults() == 1 && llm::dimsOf(type.getResult(0));
    if (!good)
      return forward.emitOpError("expected (!llm.batch, !llm.kv) -> logits, found ") << type;
    return success();
  }

  LogicalResult verifyCache(func::FuncOp forward) {
    auto kv = cast<llm::KvType>(forward.getFunctionType().getInput(1));
    llvm::DenseSet<int64_t> written;
    auto result = forward.walk([&](llm::KvWriteOp op) {
      if (!written.insert(op.getLayer()).second) {
        op.emitOpError("writes layer ") << op.getLayer() << " of the cache a second time";
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
    if (static_cast<int64_t>(written.size()) != kv.getLayers())
      return forward.emitOpError("expected every one of ")
             << kv.getLayers() << " layers to be cached, found " << written.size();
    return success();
  }

  LogicalResult verifyWeights(ModuleOp module) {
    for (auto weight : module.getOps<llm::WeightOp>())
      if (SymbolTable::symbolKnownUseEmpty(weight, module))
        return weight.emitOpError("must be used by an op, found none: the engine would carry a dead weight");
    return success();
  }
};

} // namespace
} // namespace llmc
