// Reference of the ops that choose rows or columns.
#include "dialects/Reference/Eval.h"

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

Tensor argmax(const Tensor& logits) {
  Tensor y(logits.rows, 1);
  for (int64_t t = 0; t < y.rows; ++t)
    for (int64_t j = 1; j < logits.cols; ++j)
      if (logits.at(t, j) > logits.at(t, static_cast<int64_t>(y.at(t, 0)))) y.at(t, 0) = static_cast<double>(j);
  return y;
}

}  // namespace llmc::reference
