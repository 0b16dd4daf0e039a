// silu, gelu and tanh written as quotients of exponentials, so that they saturate without overflow.
#include "codegen/cpu/region/Activations.h"

using namespace mlir;

namespace llmc {

/// x / (1 + exp(-z)).
static Value timesSigmoid(KernelBuilder &k, Value x, Value z) {
  Value minus = k.mulF(z, k.constant(z.getType(), -1.0));
  return k.divF(x, k.addF(k.exp(minus), k.constant(z.getType(), 1.0)));
}

Value tanh(KernelBuilder &k, Value x) {
  // tanh(x) = 1 - 2 / (exp(2x) + 1)
  Type type = x.getType();
  Value e = k.exp(k.addF(x, x));
  return k.subF(k.constant(type, 1.0), k.divF(k.constant(type, 2.0), k.addF(e, k.constant(type, 1.0))));
}

Value activation(KernelBuilder &k, llm::ActFn fn, Value x) {
  Type type = x.getType();
  switch (fn) {
  case llm::ActFn::Relu:
    return k.maxF(k.constant(type, 0.0), x); // this order keeps a NaN
  case llm::ActFn::Silu:
    return timesSigmoid(k, x, x);
  case llm::ActFn::GeluTanh: {
    // x/2 (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
    Value inner = k.fma(k.mulF(x, x), k.constant(type, 2 * 0.7978845608028654 * 0.044715),
                        k.constant(type, 2 * 0.7978845608028654));
    return timesSigmoid(k, x, k.mulF(x, inner));
  }
  }
  return x;
}

} // namespace llmc
