// Double-precision formulas of the llm ops.
#include "tests/unit/codegen/cpu/rows/row_reference.h"

#include <cmath>

namespace llmc {

Matrix rmsnorm(const Matrix &x, const std::vector<double> &w, double eps, int64_t segment, bool unitOffset) {
  Matrix y = x;
  for (size_t t = 0; t < x.size(); ++t) {
    int64_t n = x[t].size(), length = segment > 0 ? segment : n;
    for (int64_t first = 0; first < n; first += length) {
      double sum = 0;
      for (int64_t i = 0; i < length; ++i)
        sum += x[t][first + i] * x[t][first + i];
      double inverse = 1 / std::sqrt(sum / length + eps);
      for (int64_t i = 0; i < length; ++i)
        y[t][first + i] = x[t][first + i] * inverse * (w[i] + (unitOffset ? 1 : 0));
    }
  }
  return y;
}

Matrix layernorm(const Matrix &x, const std::vector<double> &w, const std::vector<double> &b, double eps) {
  Matrix y = x;
  for (size_t t = 0; t < x.size(); ++t) {
    double mean = 0, variance = 0, n = x[t].size();
    for (double v : x[t])
      mean += v / n;
    for (double v : x[t])
      variance += (v - mean) * (v - mean) / n;
    for (size_t i = 0; i < x[t].size(); ++i)
      y[t][i] = (x[t][i] - mean) / std::sqrt(variance + eps) * w[i] + (b.empty() ? 0 : b[i]);
  }
  return y;
}

Matrix map(const Matrix &x, const std::function<double(double)> &fn) {
  Matrix y = x;
  for (auto &row : y)
    for (double &v : row)
      v = fn(v);
  return y;
}

Matrix zip(const Matrix &x, const Matrix &y, const std::function<double(double, double)> &fn) {
  Matrix z = x;
  for (size_t t = 0; t < x.size(); ++t)
    for (size_t i = 0; i < x[t].size(); ++i)
      z[t][i] = fn(x[t][i], y[t][i]);
  return z;
}

Matrix slice(const Matrix &x, int64_t offset, int64_t size) {
  Matrix y;
  for (const auto &row : x)
    y.emplace_back(row.begin() + offset, row.begin() + offset + size);
  return y;
}

double silu(double x) { return x / (1 + std::exp(-x)); }
double geluTanh(double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

Matrix rope(const Matrix &x, const std::vector<int32_t> &positions, int64_t headDim, int64_t dim, double theta,
            bool neox) {
  Matrix y = x;
  for (size_t t = 0; t < x.size(); ++t)
    for (int64_t head = 0; head < static_cast<int64_t>(x[t].size()); head += headDim)
      for (int64_t i = 0; i < dim / 2; ++i) {
        double angle = positions[t] * std::pow(theta, -2.0 * i / dim);
        int64_t a = head + (neox ? i : 2 * i), b = head + (neox ? i + dim / 2 : 2 * i + 1);
        y[t][a] = x[t][a] * std::cos(angle) - x[t][b] * std::sin(angle);
        y[t][b] = x[t][a] * std::sin(angle) + x[t][b] * std::cos(angle);
      }
  return y;
}

std::vector<float> ropeTable(int64_t maxPosition, int64_t dim, double theta) {
  std::vector<float> table;
  auto append = [&](double position) {
    for (int64_t i = 0; i < dim; ++i) {
      double angle = position * std::pow(theta, -2.0 * (i % (dim / 2)) / dim);
      table.push_back(static_cast<float>(i < dim / 2 ? std::cos(angle) : std::sin(angle)));
    }
  };
  for (int64_t a = 0; a * 256 < maxPosition; ++a)
    append(256.0 * a);
  for (int64_t b = 0; b < 256; ++b)
    append(static_cast<double>(b));
  return table;
}

} // namespace llmc
