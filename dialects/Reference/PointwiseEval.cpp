// Reference of the elementwise ops.
#include "dialects/Reference/Eval.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace llmc::reference {

double activate(double x, llm::ActFn fn) {
  switch (fn) {
    case llm::ActFn::Silu:
      return x / (1.0 + std::exp(-x));
    case llm::ActFn::GeluTanh:
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case llm::ActFn::Relu:
      return std::max(x, 0.0);
  }
  return x;
}

Tensor map(const Tensor& x, llvm::function_ref<double(double)> f) {
  Tensor y = x;
  for (double& v : y.data) v = f(v);
  return y;
}

Tensor zip(const Tensor& a, const Tensor& b, llvm::function_ref<double(double, double)> f) {
  Tensor y = a;
  for (size_t i = 0; i < y.data.size(); ++i) y.data[i] = f(a.data[i], b.data[i]);
  return y;
}

Tensor glu(const Tensor& gate, const Tensor& up, llm::ActFn fn) {
  return zip(gate, up, [&](double g, double u) { return activate(g, fn) * u; });
}

Tensor gluInterleaved(const Tensor& x, llm::ActFn fn) {
  Tensor y(x.rows, x.cols / 2);
  for (int64_t t = 0; t < y.rows; ++t)
    for (int64_t j = 0; j < y.cols; ++j) {
      int64_t gate = j / 16 * 32 + j % 16;
      y.at(t, j) = activate(x.at(t, gate), fn) * x.at(t, gate + 16);
    }
  return y;
}

}  // namespace llmc::reference
