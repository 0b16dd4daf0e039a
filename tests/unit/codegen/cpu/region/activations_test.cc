// Activation functions as compiled code against double, far out on both sides, at every level.
#include "codegen/cpu/region/Activations.h"
#include "tests/unit/codegen/cpu/core/kernel_runner.h"

#include "gtest/gtest.h"
#include <cmath>

namespace llmc {
namespace {

using Function = std::function<mlir::Value(KernelBuilder &, mlir::Value)>;

void expectNear(const Function &emit, double (*exact)(double), double bound) {
  for (const Level &level : instructionSets()) {
    auto kernel = buildModule(level, [&](mlir::ModuleOp module) {
      KernelBuilder k(module, "kernel", 2, level);
      k.store(emit(k, k.load(k.vec(16, k.f32()), k.arg(0), mlir::Value())), k.arg(1), mlir::Value());
      k.finish();
      return mlir::success();
    });
    ASSERT_TRUE(kernel);
    if (!canRun(level))
      continue;
    for (double from = -100; from < 100; from += 0.73) {
      std::vector<float> x(16), y(16);
      for (int i = 0; i < 16; ++i)
        x[i] = static_cast<float>(from + i * 0.0456);
      kernel->run({x.data(), y.data()}, 1);
      for (int i = 0; i < 16; ++i)
        ASSERT_NEAR(y[i], exact(x[i]), bound * std::max(1.0, std::fabs(exact(x[i]))))
            << level.name.str() << " " << x[i];
    }
  }
}

TEST(Activations, Silu) {
  expectNear([](KernelBuilder &k, mlir::Value x) { return activation(k, llm::ActFn::Silu, x); },
             [](double x) { return x / (1 + std::exp(-x)); }, 1e-6);
}
TEST(Activations, GeluInItsTanhForm) {
  expectNear([](KernelBuilder &k, mlir::Value x) { return activation(k, llm::ActFn::GeluTanh, x); },
             [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); },
             1e-6);
}
TEST(Activations, Relu) {
  expectNear([](KernelBuilder &k, mlir::Value x) { return activation(k, llm::ActFn::Relu, x); },
             [](double x) { return std::max(x, 0.0); }, 0);
}
TEST(Activations, Tanh) {
  expectNear([](KernelBuilder &k, mlir::Value x) { return tanh(k, x); }, [](double x) { return std::tanh(x); }, 1e-6);
}

} // namespace
} // namespace llmc
