// Batches from sequences, the cache's storage, and rounding to short floats.
#include "dialects/Reference/Tensor.h"

#include "llvm/ADT/APFloat.h"

namespace llmc::reference {

Batch makeBatch(const std::vector<Sequence>& sequences, bool sampleAll) {
  Batch batch;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const Sequence& sequence = sequences[s];
    for (size_t i = 0; i < sequence.tokenIds.size(); ++i) {
      if (sampleAll || i + 1 == sequence.tokenIds.size())
        batch.sampleRows.push_back(static_cast<int32_t>(batch.tokenIds.size()));
      batch.tokenIds.push_back(sequence.tokenIds[i]);
      batch.positions.push_back(sequence.past + static_cast<int32_t>(i));
      batch.tokenSeq.push_back(static_cast<int32_t>(s));
    }
    batch.contextLens.push_back(sequence.past + static_cast<int32_t>(sequence.tokenIds.size()));
    batch.blockTable.push_back(sequence.pages);
  }
  return batch;
}

KvCache::KvCache(int64_t layers, int64_t heads, int64_t dim, int64_t pageTokens, int64_t pages)
    : layers(layers), heads(heads), dim(dim), pageTokens(pageTokens) {
  size_t size = static_cast<size_t>(pages * layers * heads * pageTokens * dim);
  keys_.assign(size, 0.0);
  values_.assign(size, 0.0);
}

static double roundTo(const llvm::fltSemantics& semantics, double x) {
  llvm::APFloat value(x);
  bool inexact = false;
  value.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &inexact);
  value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &inexact);
  return value.convertToDouble();
}

double roundToHalf(double x) { return roundTo(llvm::APFloat::IEEEhalf(), x); }
double roundToBFloat(double x) { return roundTo(llvm::APFloat::BFloat(), x); }

}  // namespace llmc::reference
