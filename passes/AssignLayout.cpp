// Writes the packed layout's name on every weight.
#include "passes/Passes.h"
#include "passes/Target.h"

#include "codegen/registry/WeightLayout.h"
#include "runtime/base/counted.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

namespace llmc {
#define GEN_PASS_DEF_ASSIGNLAYOUT
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// None: the target has no layout for such a weight.
std::optional<Layout> layoutOf(llm::WeightOp weight, Target target) {
  llm::WeightType type = weight.weightType();
  if (!type.isMatrix() || weight.getGeneratedAttr())
    return Layout::Plain;
  return target == Target::Cuda ? fragmentLayoutFor(type.getQuant()) : layoutFor(type.getQuant());
}

struct AssignLayoutPass : impl::AssignLayoutBase<AssignLayoutPass> {
  using AssignLayoutBase::AssignLayoutBase;

  void runOnOperation() override {
    auto machine = targetOf(getOperation(), target);
    if (failed(machine))
      return signalPassFailure();
    /// Matrices, weights and packed bytes of one type of the file in one layout.
    struct Packed {
      int64_t matrices = 0, weights = 0, bytes = 0;
    };
    llvm::MapVector<std::pair<StringAttr, StringAttr>, Packed> packed;
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
      llm::WeightType type = weight.weightType();
      if (!weight.getStoredAttr() || !type.isMatrix())
        continue;
      Packed &found = packed[{weight.getStoredAttr(), attr}];
      ++found.matrices;
      found.weights += type.rows() * type.cols();
      found.bytes += packedBytes(*layout, type.rows(), type.cols());
    }
    for (auto &[key, found] : packed)
      getOperation().emitRemark()
          << "packed: " << rt::counted(found.matrices, "matrix", "matrices") << " stored as " << key.first.getValue()
          << " in layout " << key.second.getValue() << ", "
          << llvm::formatv("{0:f2}", 8.0 * static_cast<double>(found.bytes) / static_cast<double>(found.weights)).str()
          << " bits a weight with scales and padding";
  }
};

} // namespace
} // namespace llmc
