// Sets the page size of the cache type everywhere.
#include "passes/Passes.h"

#include "mlir/IR/AttrTypeSubElements.h"

namespace llmc {
#define GEN_PASS_DEF_CHOOSEKVLAYOUT
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

constexpr int64_t kPageTokens = 16;

struct ChooseKvLayoutPass : impl::ChooseKvLayoutBase<ChooseKvLayoutPass> {
  void runOnOperation() override {
    bool refused = false;
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](llm::KvType type) -> Type {
      if (type.getDim() % 16 != 0)
        refused = true;
      return llm::KvType::get(type.getContext(), type.getLayers(), type.getHeads(), type.getDim(), kPageTokens);
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
