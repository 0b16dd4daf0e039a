// Reference of linear, quantize and round_rows.
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

double roundToE4M3(double x) {
  constexpr double kLargest = 448;
  if (std::abs(x) >= kLargest) return std::copysign(kLargest, x);
  // 4 significant bits; below 2^-6 steps of 2^-9.
  int exponent = 0;
  std::frexp(x, &exponent);
  const double step = std::ldexp(1.0, std::max(exponent - 4, -9));
  return std::nearbyint(x / step) * step;
}

Tensor quantizeRows(const Tensor& x, bool round) {
  if (!round) return x;
  Tensor y(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    float largest = 0;
    for (int64_t j = 0; j < x.cols; ++j) largest = std::max(largest, static_cast<float>(std::abs(x.at(t, j))));
    // Below this the reciprocal overflows; such a row is as good as zero.
    if (largest <= 1e-30f) continue;
    const float scale = largest / 448.0f, inverse = 448.0f / largest;
    for (int64_t j = 0; j < x.cols; ++j)
      y.at(t, j) = roundToE4M3(static_cast<float>(x.at(t, j)) * inverse) * static_cast<double>(scale);
  }
  return y;
}

}  // namespace llmc::reference
