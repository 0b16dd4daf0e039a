// Writes the packed layout's name on every weight.
#include "passes/Passes.h"

#include "codegen/registry/PackedLayout.h"
#include "mlir/IR/Builders.h"

namespace llmc {
#define GEN_PASS_DEF_ASSIGNLAYOUT
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

Layout layoutOf(llm::WeightOp weight) {
  llm::WeightType type = weight.weightType();
  if (!type.isMatrix() || weight.getGeneratedAttr())
    return Layout::Plain;
  switch (type.getQuant().getKind()) {
  case llm::QuantKind::F32:
    return layoutFor(WeightKind::F32, true);
  case llm::QuantKind::F16:
    return layoutFor(WeightKind::F16, true);
  case llm::QuantKind::BF16:
    return layoutFor(WeightKind::BF16, true);
  case llm::QuantKind::I8:
    return layoutFor(WeightKind::I8, true);
  case llm::QuantKind::I4:
    return layoutFor(WeightKind::I4, type.getQuant().getSymmetric());
  }
  return Layout::Plain;
}

struct AssignLayoutPass : impl::AssignLayoutBase<AssignLayoutPass> {
  void runOnOperation() override {
    for (auto weight : getOperation().getOps<llm::WeightOp>()) {
      auto name = layoutName(layoutOf(weight));
      auto attr = StringAttr::get(&getContext(), llvm::StringRef(name.data(), name.size()));
      if (weight.getLayoutAttr() && weight.getLayoutAttr() != attr) {
        weight.emitOpError("expected layout ") << attr << ", found " << weight.getLayoutAttr();
        return signalPassFailure();
      }
      weight.setLayoutAttr(attr);
    }
  }
};

} // namespace
} // namespace llmc
