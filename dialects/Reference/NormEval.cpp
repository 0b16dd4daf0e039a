// Reference of rmsnorm and layernorm.
#include "dialects/Reference/Eval.h"

#include <cmath>

namespace llmc::reference {

Tensor rmsnorm(const Tensor& x, const Tensor& w, double eps, bool unitOffset, int64_t segment) {
  int64_t width = segment > 0 ? segment : x.cols;
  Tensor y(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t)
    for (int64_t start = 0; start < x.cols; start += width) {
      double squares = 0;
      for (int64_t j = 0; j < width; ++j) squares += x.at(t, start + j) * x.at(t, start + j);
      double factor = 1.0 / std::sqrt(squares / static_cast<double>(width) + eps);
      for (int64_t j = 0; j < width; ++j)
        y.at(t, start + j) = x.at(t, start + j) * factor * (w.at(j) + (unitOffset ? 1.0 : 0.0));
    }
  return y;
}

Tensor layernorm(const Tensor& x, const Tensor& w, const Tensor* b, double eps) {
  Tensor y(x.rows, x.cols);
  double count = static_cast<double>(x.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    double sum = 0, squares = 0;
    for (int64_t j = 0; j < x.cols; ++j) sum += x.at(t, j);
    double mean = sum / count;
    for (int64_t j = 0; j < x.cols; ++j) squares += (x.at(t, j) - mean) * (x.at(t, j) - mean);
    double factor = 1.0 / std::sqrt(squares / count + eps);
    for (int64_t j = 0; j < x.cols; ++j) y.at(t, j) = (x.at(t, j) - mean) * factor * w.at(j) + (b ? b->at(j) : 0.0);
  }
  return y;
}

}  // namespace llmc::reference
