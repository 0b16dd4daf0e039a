// @forward -> @decode and @mixed; attention of @decode in parts.
#include "passes/Passes.h"

#include "codegen/registry/AttentionTable.h"
#include "passes/Target.h"

#include "dialects/LLM/LLMTypes.h"
#include "mlir/IR/Builders.h"

namespace llmc {
#define GEN_PASS_DEF_SPLITPROGRAMS
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// attend -> attend_partial + attend_merge.
void splitAttention(func::FuncOp decode) {
  llvm::SmallVector<llm::AttendOp> attends;
  decode.walk([&](llm::AttendOp op) { attends.push_back(op); });
  for (llm::AttendOp op : attends) {
    OpBuilder builder(op);
    auto partial =
        llm::AttendPartialOp::create(builder, op.getLoc(), op.getQ(), op.getKv(), op.getBatch(), op.getLayer(),
                                     op.getHeads(), op.getScale(), op.getWindow(), op.getSoftcap(), kAttentionParts);
    int64_t dim = cast<llm::KvType>(op.getKv().getType()).getDim();
    auto merge = llm::AttendMergeOp::create(builder, op.getLoc(), partial.getResult(), op.getHeads(), dim,
                                            kAttentionParts, op.getSinks());
    op.replaceAllUsesWith(merge.getResult());
    op.erase();
  }
}

struct SplitProgramsPass : impl::SplitProgramsBase<SplitProgramsPass> {
  using SplitProgramsBase::SplitProgramsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    if (!forward) {
      module.emitError("expected a function @forward, found none");
      return signalPassFailure();
    }
    auto machine = targetOf(module, target);
    if (failed(machine))
      return signalPassFailure();
    bool cuda = *machine == Target::Cuda;
    OpBuilder builder(module.getContext());
    auto decode = forward.clone();
    decode.setName("decode");
    decode->setAttr(kTokensMaxAttr, builder.getI64IntegerAttr(cuda ? 0 : kDecodeTokens));
    if (cuda)
      decode->setAttr(kQueryMaxAttr, builder.getI64IntegerAttr(1));
    module.insert(forward, decode);
    splitAttention(decode);
    forward.setName("mixed");
    forward->setAttr(kTokensMaxAttr, builder.getI64IntegerAttr(0));
  }
};

} // namespace
} // namespace llmc
