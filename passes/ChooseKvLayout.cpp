// Sets the page size of the cache type everywhere, and what it stores.
#include "passes/Passes.h"
#include "passes/Target.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/StringSwitch.h"

namespace llmc {
#define GEN_PASS_DEF_CHOOSEKVLAYOUT
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

constexpr int64_t kPageTokens = 16;

struct ChooseKvLayoutPass : impl::ChooseKvLayoutBase<ChooseKvLayoutPass> {
  using ChooseKvLayoutBase::ChooseKvLayoutBase;

  FailureOr<llm::QuantKind> chosenKind() {
    auto machine = targetOf(getOperation(), target);
    if (failed(machine))
      return failure();
    auto kind = llvm::StringSwitch<std::optional<llm::QuantKind>>(cache)
                    .Cases({"auto", "f16"}, llm::QuantKind::F16)
                    .Case("f32", llm::QuantKind::F32)
                    .Case("bf16", llm::QuantKind::BF16)
                    .Case("int8", llm::QuantKind::I8)
                    .Case("fp8", llm::QuantKind::E4M3)
                    .Default(std::nullopt);
    if (!kind)
      return getOperation().emitError("unknown cache type '")
             << cache << "', expected auto, f32, f16, bf16, int8 or fp8";
    if (*kind == llm::QuantKind::F32 && *machine == Target::Cuda)
      return getOperation().emitError("cache type 'f32' is for target cpu: expected auto, f16, bf16, int8 or fp8");
    if ((*kind == llm::QuantKind::BF16 || *kind == llm::QuantKind::E4M3) && *machine == Target::Cpu)
      return getOperation().emitError("cache type '")
             << cache << "' is for target cuda: expected auto, f32, f16 or int8";
    return *kind;
  }

  void runOnOperation() override {
    bool refused = false;
    FailureOr<llm::QuantKind> kind = chosenKind();
    if (failed(kind))
      return signalPassFailure();
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](llm::KvType type) -> Type {
      if (type.getDim() % 16 != 0)
        refused = true;
      return llm::KvType::get(type.getContext(), type.getLayers(), type.getHeads(), type.getDim(), kPageTokens, *kind);
    });
    replacer.recursivelyReplaceElementsIn(getOperation(), /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);
    if (!refused)
      return;
    getOperation().emitError("expected a head size that is a multiple of 16, which the CPU kernels need");
    signalPassFailure();
  }
};

} // namespace
} // namespace llmc
