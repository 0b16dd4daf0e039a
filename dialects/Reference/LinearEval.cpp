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

void storeAs(llm::QuantKind kind, std::span<double> x) {
  if (kind == llm::QuantKind::F32) {
    for (double& one : x) one = static_cast<float>(one);
    return;
  }
  if (kind == llm::QuantKind::F16 || kind == llm::QuantKind::BF16) {
    for (double& one : x) one = kind == llm::QuantKind::F16 ? roundToHalf(one) : roundToBFloat(one);
    return;
  }
  const float most = kind == llm::QuantKind::I8 ? 127.0f : 448.0f;
  float largest = 0;
  for (double one : x) largest = std::max(largest, static_cast<float>(std::abs(one)));
  // Below this the reciprocal overflows; such numbers are as good as zeros.
  const bool any = largest > 1e-30f;
  const float inverse = any ? most / largest : 0.0f, scale = any ? largest / most : 0.0f;
  for (double& one : x) {
    const double code = static_cast<float>(one) * inverse;
    const double near = kind == llm::QuantKind::I8 ? std::nearbyint(code) : roundToE4M3(code);
    one = std::clamp(near, -static_cast<double>(most), static_cast<double>(most)) * static_cast<double>(scale);
  }
}

Tensor quantizeRows(const Tensor& x, bool round) {
  if (!round) return x;
  Tensor y = x;
  for (int64_t t = 0; t < y.rows; ++t)
    storeAs(llm::QuantKind::E4M3, std::span(&y.at(t, 0), static_cast<size_t>(y.cols)));
  return y;
}

}  // namespace llmc::reference
