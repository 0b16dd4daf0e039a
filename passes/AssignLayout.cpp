// Writes the packed layout's name on every weight.
#include "passes/Passes.h"
#include "passes/Target.h"

#include "codegen/registry/PackedLayout.h"
#include "mlir/IR/Builders.h"

namespace llmc {
#define GEN_PASS_DEF_ASSIGNLAYOUT
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

WeightKind kindOf(llm::QuantKind kind) {
  switch (kind) {
  case llm::QuantKind::F32:
    return WeightKind::F32;
  case llm::QuantKind::F16:
    return WeightKind::F16;
  case llm::QuantKind::BF16:
    return WeightKind::BF16;
  case llm::QuantKind::I8:
    return WeightKind::I8;
  case llm::QuantKind::I4:
    return WeightKind::I4;
  }
  return WeightKind::F32;
}

/// None: the target has no layout for such a weight.
std::optional<Layout> layoutOf(llm::WeightOp weight, Target target) {
  llm::WeightType type = weight.weightType();
  if (!type.isMatrix() || weight.getGeneratedAttr())
    return Layout::Plain;
  llm::QuantAttr quant = type.getQuant();
  bool symmetric = quant.getKind() != llm::QuantKind::I4 || quant.getSymmetric();
  WeightKind kind = kindOf(quant.getKind());
  return target == Target::Cuda ? fragmentLayoutFor(kind, symmetric) : layoutFor(kind, symmetric);
}

struct AssignLayoutPass : impl::AssignLayoutBase<AssignLayoutPass> {
  using AssignLayoutBase::AssignLayoutBase;

  void runOnOperation() override {
    auto machine = targetOf(getOperation(), target);
    if (failed(machine))
      return signalPassFailure();
    for (auto weight : getOperation().getOps<llm::WeightOp>()) {
      auto layout = layoutOf(weight, *machine);
      if (!layout) {
        weight.emitOpError("has no layout for target cuda as it is stored, ") << weight.weightType().getQuant();
        return signalPassFailure();
      }
      auto name = layoutName(*layout);
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
