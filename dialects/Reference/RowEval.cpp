// Reference of the ops that choose rows or columns.
#include "dialects/Reference/Eval.h"

#include <algorithm>
#include <cmath>

namespace llmc::reference {

Tensor embed(const Batch& batch, const Tensor& table, double scale) {
  Tensor y(batch.tokens(), table.cols);
  for (int64_t t = 0; t < y.rows; ++t)
    for (int64_t j = 0; j < y.cols; ++j) y.at(t, j) = scale * table.at(batch.tokenIds[t], j);
  return y;
}

Tensor selectRows(const Tensor& x, const Batch& batch) {
  Tensor y(static_cast<int64_t>(batch.sampleRows.size()), x.cols);
  for (int64_t s = 0; s < y.rows; ++s)
    for (int64_t j = 0; j < y.cols; ++j) y.at(s, j) = x.at(batch.sampleRows[s], j);
  return y;
}

Tensor slice(const Tensor& x, int64_t offset, int64_t size) {
  Tensor y(x.rows, size);
  for (int64_t t = 0; t < y.rows; ++t)
    for (int64_t j = 0; j < size; ++j) y.at(t, j) = x.at(t, offset + j);
  return y;
}

Tensor keepRows(const Tensor& x, const Batch& batch) {
  Tensor y = x;
  for (int64_t s = 0; s < y.rows; ++s)
    for (int64_t j = 0; !batch.wantsLogits(s) && j < y.cols; ++j) y.at(s, j) = std::nan("");
  return y;
}

Tensor argmax(const Tensor& logits, int64_t tile) {
  const int64_t tiles = (logits.cols + tile - 1) / tile;
  Tensor y(logits.rows, 2 * tiles);
  const auto value = [&](int64_t t, int64_t j) { return std::isfinite(logits.at(t, j)) ? logits.at(t, j) : INFINITY; };
  for (int64_t t = 0; t < y.rows; ++t)
    for (int64_t i = 0; i < tiles; ++i) {
      int64_t best = i * tile;
      for (int64_t j = best + 1; j < std::min(logits.cols, (i + 1) * tile); ++j)
        if (value(t, j) > value(t, best)) best = j;
      y.at(t, i) = value(t, best);
      y.at(t, tiles + i) = static_cast<double>(best);
    }
  return y;
}

Tensor sample(const Tensor& best) {
  const int64_t tiles = best.cols / 2;
  Tensor y(best.rows, 1);
  for (int64_t t = 0; t < y.rows; ++t) {
    int64_t first = 0;
    for (int64_t i = 1; i < tiles; ++i)
      if (best.at(t, i) > best.at(t, first)) first = i;
    y.at(t, 0) = std::isfinite(best.at(t, first)) ? best.at(t, tiles + first) : -1;
  }
  return y;
}

}  // namespace llmc::reference
