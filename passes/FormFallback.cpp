// Wraps each op that is still outside a kernel.
#include "passes/Outline.h"
#include "passes/Passes.h"
#include "passes/Remark.h"

namespace llmc {
#define GEN_PASS_DEF_FORMFALLBACK
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

struct FormFallbackPass : impl::FormFallbackBase<FormFallbackPass> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      llvm::SmallVector<Operation *> left;
      for (Operation &op : function.front())
        if (isa<llm::LLMDialect>(op.getDialect()) && !isa<llm::UseOp>(op))
          left.push_back(&op);
      for (Operation *op : left) {
        missed(op, "fusion") << "no hero took this op, it becomes a kernel of its own";
        KernelGroup group;
        group.hero = "pointwise";
        group.ops.insert(op);
        outline(group, function.getArgument(0));
      }
    }
  }
};

} // namespace
} // namespace llmc
