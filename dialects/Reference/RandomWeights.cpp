// Seeded weights and the row arrangements of llm.weight.
#include "dialects/Reference/RandomWeights.h"

#include "llvm/Support/xxhash.h"

#include <cmath>

namespace llmc::reference {
using namespace mlir;

/// SplitMix64: a full-period mix of a counter; the same numbers on every machine.
static uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

Tensor randomSource(llm::SourceAttr source, int64_t cols, uint64_t seed) {
  Tensor tensor(source.getRows(), cols);
  uint64_t state = mix(seed ^ ::llvm::xxh3_64bits(source.getName()));
  double range = cols == 1 ? 0.1 : std::sqrt(3.0 / static_cast<double>(cols)), middle = cols == 1 ? 1.0 : 0.0;
  for (double& value : tensor.data) {
    state = mix(state);
    value = middle + range * (static_cast<double>(state >> 11) * 0x1.0p-52 - 1.0);
  }
  return tensor;
}

/// GGUF stores row 2i + j of a head where the model has row j * D/2 + i.
static int64_t sourceRow(llm::SourceAttr source, int64_t row) {
  if (source.getUnpermute() == 0) return row;
  int64_t dim = source.getRows() / source.getUnpermute();
  int64_t head = row / dim, inHead = row % dim;
  return head * dim + 2 * (inHead % (dim / 2)) + inHead / (dim / 2);
}

Tensor arrangeRows(llm::WeightOp weight, const std::vector<Tensor>& parts) {
  int64_t cols = weight.weightType().cols(), count = static_cast<int64_t>(parts.size());
  bool interleave = weight.getArrange() == llm::Arrange::Interleave16;
  Tensor tensor(weight.weightType().rows(), cols);
  int64_t first = 0;
  for (int64_t p = 0; p < count; ++p) {
    auto source = ::llvm::cast<llm::SourceAttr>(weight.getSources()[p]);
    for (int64_t row = 0; row < source.getRows(); ++row) {
      int64_t to = interleave ? (row / 16 * count + p) * 16 + row % 16 : first + row;
      for (int64_t k = 0; k < cols; ++k) tensor.at(to, k) = parts[p].at(sourceRow(source, row), k);
    }
    first += source.getRows();
  }
  return tensor;
}

static FailureOr<Tensor> literalWeight(llm::WeightOp weight, DenseFPElementsAttr literal) {
  Tensor tensor(weight.weightType().rows(), weight.weightType().cols());
  if (literal.getNumElements() != static_cast<int64_t>(tensor.data.size()))
    return weight.emitOpError("expected ")
           << tensor.data.size() << " elements in llm.literal, found " << literal.getNumElements();
  for (auto [to, value] : ::llvm::zip(tensor.data, literal.getValues<APFloat>())) {
    APFloat wide = value;
    bool inexact = false;
    wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
    to = wide.convertToDouble();
  }
  return tensor;
}

WeightProvider randomWeights(uint64_t seed) {
  return [seed](llm::WeightOp weight) -> FailureOr<Tensor> {
    if (auto literal = weight->getAttrOfType<DenseFPElementsAttr>(kLiteralAttr)) return literalWeight(weight, literal);
    if (weight.getGenerated()) return Tensor();
    std::vector<Tensor> parts;
    for (auto source : weight.getSources().getAsRange<llm::SourceAttr>())
      parts.push_back(randomSource(source, weight.weightType().cols(), seed));
    return arrangeRows(weight, parts);
  };
}

}  // namespace llmc::reference
