// Plain data of the reference interpreter: matrices of doubles, a ragged batch, a paged cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace llmc::reference {

/// [rows, cols] doubles, row-major. A one-dimensional weight is [N, 1]; a quantized activation holds q * scale.
struct Tensor {
  int64_t rows = 0, cols = 0;
  std::vector<double> data;

  Tensor() = default;
  Tensor(int64_t rows, int64_t cols) : rows(rows), cols(cols), data(static_cast<std::size_t>(rows * cols), 0.0) {}
  double& at(int64_t r, int64_t c) { return data[static_cast<std::size_t>(r * cols + c)]; }
  double at(int64_t r, int64_t c) const { return data[static_cast<std::size_t>(r * cols + c)]; }
  /// Element i of a one-dimensional weight.
  double at(int64_t i) const { return data[static_cast<std::size_t>(i)]; }
};

/// One sequence's part of a step.
struct Sequence {
  std::vector<int32_t> tokenIds;  ///< this step's tokens
  int32_t past = 0;               ///< tokens that the cache holds already
  std::vector<int32_t> pages;     ///< page ids, enough for past + tokenIds.size() tokens
};

/// The batch of one step, as the kernels see it (runtime/format/kernel_abi.h), without strides.
struct Batch {
  std::vector<int32_t> tokenIds, positions, tokenSeq;  ///< [T]
  std::vector<int32_t> contextLens;                    ///< [sequences] cached tokens once this step's are written
  std::vector<std::vector<int32_t>> blockTable;        ///< [sequences][pages]
  std::vector<int32_t> sampleRows;                     ///< [S]
  std::vector<int32_t> logitsWanted;                   ///< [S] not 0: the row's logits are read; empty: all are

  int64_t tokens() const { return static_cast<int64_t>(tokenIds.size()); }
  bool wantsLogits(int64_t row) const {
    return logitsWanted.empty() || logitsWanted[static_cast<std::size_t>(row)] != 0;
  }
};

/// Joins sequences into one step; the rows to sample are each sequence's last token, or every token.
Batch makeBatch(const std::vector<Sequence>& sequences, bool sampleAll = false);

/// Keys and values as plain arrays [page id][layer][kv head][token in page][dim].
class KvCache {
 public:
  KvCache() = default;
  KvCache(int64_t layers, int64_t heads, int64_t dim, int64_t pageTokens, int64_t pages);

  double& key(int64_t layer, int64_t head, int64_t page, int64_t offset, int64_t d) {
    return keys_[index(layer, head, page, offset, d)];
  }
  double& value(int64_t layer, int64_t head, int64_t page, int64_t offset, int64_t d) {
    return values_[index(layer, head, page, offset, d)];
  }
  double key(int64_t layer, int64_t head, int64_t page, int64_t offset, int64_t d) const {
    return keys_[index(layer, head, page, offset, d)];
  }
  double value(int64_t layer, int64_t head, int64_t page, int64_t offset, int64_t d) const {
    return values_[index(layer, head, page, offset, d)];
  }

  int64_t layers = 0, heads = 0, dim = 0, pageTokens = 16;

 private:
  std::size_t index(int64_t layer, int64_t head, int64_t page, int64_t offset, int64_t d) const {
    return static_cast<std::size_t>((((page * layers + layer) * heads + head) * pageTokens + offset) * dim + d);
  }
  std::vector<double> keys_, values_;
};

/// The nearest f16 (or bf16), ties to even, as a double.
double roundToHalf(double x);
double roundToBFloat(double x);

}  // namespace llmc::reference
