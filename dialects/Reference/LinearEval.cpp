// Reference of linear and quantize.
#include "dialects/Reference/Eval.h"

#include <algorithm>
#include <cmath>

namespace llmc::reference {

Tensor linear(const Tensor& x, const Tensor& w, const Tensor* bias) {
  Tensor y(x.rows, w.rows);
  for (int64_t t = 0; t < x.rows; ++t)
    for (int64_t n = 0; n < w.rows; ++n) {
      double sum = bias ? bias->at(n) : 0.0;
      for (int64_t k = 0; k < x.cols; ++k) sum += x.at(t, k) * w.at(n, k);
      y.at(t, n) = sum;
    }
  return y;
}

Tensor quantize(const Tensor& x, bool round) {
  if (!round) return x;
  constexpr int64_t kGroup = 16;
  Tensor y(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t)
    for (int64_t start = 0; start < x.cols; start += kGroup) {
      int64_t end = std::min(start + kGroup, x.cols);
      double largest = 0;
      for (int64_t j = start; j < end; ++j) largest = std::max(largest, std::abs(x.at(t, j)));
      // Kernels store the scale as f32.
      double scale = static_cast<float>(largest / 127.0);
      if (scale == 0) continue;
      for (int64_t j = start; j < end; ++j)
        y.at(t, j) = std::clamp(std::nearbyint(x.at(t, j) / scale), -127.0, 127.0) * scale;
    }
  return y;
}

}  // namespace llmc::reference
