// Float arithmetic of KernelBuilder as compiled code: exp against double, reductions, maxima with NaN.
#include "codegen/cpu/KernelBuilder.h"
#include "tests/unit/codegen/cpu/core/kernel_runner.h"

#include "gtest/gtest.h"
#include <cmath>
#include <limits>

namespace llmc {
namespace {

using Body = std::function<mlir::Value(KernelBuilder &, mlir::Value)>;

/// A kernel that applies `body` to 16 floats at args[0] and writes 16 floats at args[1].
std::unique_ptr<MappedKernel> build(const Level &level, const Body &body) {
  return buildModule(level, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "kernel", 2, level);
    k.store(body(k, k.load(k.vec(16, k.f32()), k.arg(0), mlir::Value())), k.arg(1), mlir::Value());
    k.finish();
    return mlir::success();
  });
}

std::vector<float> applyTo(const MappedKernel &kernel, const std::vector<float> &x) {
  std::vector<float> y(16);
  kernel.run({x.data(), y.data()}, 1);
  return y;
}

/// |found - exact| in units of the last place of the float nearest to exact.
double ulps(float found, double exact) {
  float nearest = static_cast<float>(exact);
  double unit = double(std::nextafter(nearest, std::numeric_limits<float>::infinity())) - nearest;
  return std::fabs(found - exact) / unit;
}

TEST(KernelMath, ExpWithinOnePointTwoUlps) {
  for (const Level &level : instructionSets()) {
    auto kernel = build(level, [](KernelBuilder &k, mlir::Value x) { return k.exp(x); });
    ASSERT_TRUE(kernel);
    if (!canRun(level))
      continue;
    double worst = 0;
    std::vector<float> x(16);
    for (int step = 0; step < 100000; step += 16) {
      for (int i = 0; i < 16; ++i)
        x[i] = static_cast<float>(-87.2 + (88.3 + 87.2) * (step + i) / 100000);
      std::vector<float> y = applyTo(*kernel, x);
      for (int i = 0; i < 16; ++i)
        worst = std::max(worst, ulps(y[i], std::exp(double(x[i]))));
    }
    EXPECT_LT(worst, 1.2) << level.name.str();
  }
}

TEST(KernelMath, ExpAtTheEnds) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const Level &level : instructionSets()) {
    if (!canRun(level))
      continue;
    auto kernel = build(level, [](KernelBuilder &k, mlir::Value x) { return k.exp(x); });
    ASSERT_TRUE(kernel);
    std::vector<float> y =
        applyTo(*kernel, {-inf, -1e30f, -104.1f, -87.4f, 0, -0.0f, 88.3f, 200, inf, NAN, 1, 2, 3, 4, 5, 6});
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(y[i], 0.0f) << i;
    EXPECT_NEAR(y[3], level.avx512 ? 1.1032e-38 : 0.0, 1e-42);
    EXPECT_EQ(y[4], 1.0f);
    EXPECT_EQ(y[5], 1.0f);
    EXPECT_TRUE(std::isfinite(y[6]));
    EXPECT_EQ(y[7], inf);
    EXPECT_EQ(y[8], inf);
    EXPECT_TRUE(std::isnan(y[9]));
  }
}

TEST(KernelMath, Reductions) {
  for (const Level &level : instructionSets()) {
    if (!canRun(level))
      continue;
    auto sum = build(level, [](KernelBuilder &k, mlir::Value x) { return k.splat(k.reduceAdd(x), 16); });
    auto max = build(level, [](KernelBuilder &k, mlir::Value x) { return k.splat(k.reduceMax(x), 16); });
    ASSERT_TRUE(sum && max);
    std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, -9, 10, 11, 12, 13, 14, 15, 16};
    EXPECT_EQ(applyTo(*sum, x), std::vector<float>(16, 118.0f));
    for (int i = 0; i < 16; ++i) {
      std::vector<float> one(16, -5.0f);
      one[i] = -3.0f;
      EXPECT_EQ(applyTo(*max, one)[i], -3.0f) << i;
    }
  }
}

TEST(KernelMath, MaximumIsOneInstruction) {
  const Level &level = *findLevel("x86-64-v4");
  auto kernel = build(level, [](KernelBuilder &k, mlir::Value x) { return k.maxF(x, k.constant(x.getType(), 0.0)); });
  ASSERT_TRUE(kernel);
  EXPECT_NE(kernel->assembly().find("vmaxps"), std::string::npos);
  EXPECT_EQ(kernel->assembly().find("vcmp"), std::string::npos) << kernel->assembly();
}

TEST(KernelMath, WorkersShareEveryItemOnce) {
  const Level &level = cpuLevels()[0];
  auto kernel = buildModule(level, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "kernel", 2, level);
    auto [begin, end] = k.workerRange(k.batchInt(k.arg(0), 0));
    k.forEach(begin, end, 1, [&](mlir::Value i) {
      mlir::Value seen = k.load(k.f32(), k.arg(1), k.mul(i, 4), 0, 4);
      k.store(k.addF(seen, k.constant(k.f32(), 1.0)), k.arg(1), k.mul(i, 4), 0, 4);
    });
    k.finish();
    return mlir::success();
  });
  ASSERT_TRUE(kernel);
  for (int32_t count : {0, 1, 3, 16, 33})
    for (uint32_t workers : {1u, 2u, 3u, 4u, 40u}) {
      std::vector<float> seen(40, 0.0f), expected(40, 0.0f);
      std::fill(expected.begin(), expected.begin() + count, 1.0f);
      kernel->run({&count, seen.data()}, workers);
      EXPECT_EQ(seen, expected) << count << " items, " << workers << " workers";
    }
}

} // namespace
} // namespace llmc
