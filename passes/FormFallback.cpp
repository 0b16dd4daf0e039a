// Wraps each op that is still outside a kernel.
#include "passes/Outline.h"
#include "passes/Passes.h"
#include "passes/Program.h"
#include "passes/Remark.h"
#include "passes/Target.h"

namespace llmc {
#define GEN_PASS_DEF_FORMFALLBACK
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// On a device the ops that read stored logits are heroes themselves.
llvm::StringRef heroOf(Operation *op, Target machine) {
  if (machine == Target::Cuda && isa<llm::ArgmaxOp>(op))
    return "argmax";
  return machine == Target::Cuda && isa<llm::SampleOp>(op) ? "sample" : "pointwise";
}

struct FormFallbackPass : impl::FormFallbackBase<FormFallbackPass> {
  using FormFallbackBase::FormFallbackBase;

  void runOnOperation() override {
    auto machine = targetOf(getOperation(), target);
    if (failed(machine))
      return signalPassFailure();
    for (auto function : definedFunctions(getOperation())) {
      auto batch = batchForKernels(function);
      if (failed(batch))
        return signalPassFailure();
      llvm::SmallVector<Operation *> left;
      for (Operation &op : function.front())
        if (isa<llm::LLMDialect>(op.getDialect()) && !isa<llm::UseOp>(op))
          left.push_back(&op);
      for (Operation *op : left) {
        KernelGroup group(heroOf(op, *machine), op);
        if (group.hero == "pointwise")
          missed(op, "fusion") << "no hero took this op, it becomes a kernel of its own";
        outline(group, *batch);
      }
    }
  }
};

} // namespace
} // namespace llmc
