// Quantized rows: values, scales, bias words of every kind, padding.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <cmath>

namespace llmc {
namespace {

std::string quantizeText(int64_t n, int64_t zero) {
  std::string q = "!llm.qact<[T, " + std::to_string(n) + "], zero = " + std::to_string(zero) + ">";
  return functionText({act(n), "!llm.batch"}, {q}, "%r = llm.quantize %a0 : (" + act(n) + ") -> " + q + "\nkern.yield %r : " + q + "\n");
}

/// The bias word that the contract asks for, from the stored values.
uint32_t biasWord(const int8_t *q, float scale, int64_t zero, bool vnni) {
  int32_t sum = 0, low = 0, high = 0;
  for (int i = 0; i < 32; ++i) {
    sum += q[i];
    (i % 4 < 2 ? low : high) += q[i];
  }
  if (zero == 0) {
    float value = scale * static_cast<float>(sum);
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return bits;
  }
  if (zero == 8 && !vnni)
    return static_cast<uint16_t>(-8 * low) | static_cast<uint32_t>(static_cast<uint16_t>(-8 * high)) << 16;
  return static_cast<uint32_t>(-static_cast<int32_t>(zero) * sum);
}

void checkGroup(const float *x, int64_t live, const int8_t *q, float scale, uint32_t bias, int64_t zero, bool vnni) {
  double top = 0;
  for (int64_t i = 0; i < live; ++i)
    top = std::max(top, std::fabs(double(x[i])));
  ASSERT_NEAR(scale, top / 127, 1e-6 * top);
  for (int64_t i = 0; i < 32; ++i) {
    double exact = i < live && top > 0 ? x[i] / (top / 127) : 0;
    ASSERT_LE(std::fabs(q[i] - exact), 0.5 + 1e-4) << i;
  }
  ASSERT_EQ(bias, biasWord(q, scale, zero, vnni));
}

void checkQuantize(int64_t n, int64_t zero) {
  SCOPED_TRACE("N = " + std::to_string(n) + ", zero = " + std::to_string(zero));
  const int64_t padded = rt::paddedK(n), groups = padded / 32;
  for (const Level &level : cpuLevels()) {
    auto kernel = buildKernel(quantizeText(n, zero), level, emitRowKernel);
    ASSERT_TRUE(kernel);
    if (!canRun(level))
      continue;
    for (int64_t tokens : {1, 7, 33}) {
      Rows x(tokens, n * 4), result(tokens, rt::quantizedRowBytes(n));
      x.randomize(n, 5);
      std::fill(x.row<float>(0), x.row<float>(0) + std::min<int64_t>(n, 32), 0.0f); // a group of zeros
      Step step(tokens);
      kernel->run({x.base(), &step.batch, result.base()}, 3);
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t g = 0; g < groups; ++g) {
          int8_t *row = result.row<int8_t>(t);
          float scale;
          uint32_t bias;
          std::memcpy(&scale, row + padded + 4 * g, 4);
          std::memcpy(&bias, row + padded + 4 * groups + 4 * g, 4);
          checkGroup(x.row<float>(t) + 32 * g, std::clamp<int64_t>(n - 32 * g, 0, 32), row + 32 * g, scale, bias, zero, level.vnni);
          if (::testing::Test::HasFatalFailure())
            return;
        }
      ASSERT_TRUE(result.paddingIntact());
    }
  }
}

TEST(Quantize, EveryBiasKind) {
  for (int64_t zero : {8, 128, 0})
    for (int64_t n : {576, 64, 32, 72, 50})
      checkQuantize(n, zero);
}

TEST(Quantize, RoundsToNearestEven) {
  for (const Level &level : cpuLevels()) {
    if (!canRun(level))
      continue;
    auto kernel = buildKernel(quantizeText(32, 8), level, emitRowKernel);
    ASSERT_TRUE(kernel);
    Rows x(1, 128), result(1, rt::quantizedRowBytes(32));
    for (int i = 0; i < 32; ++i)
      x.at(0, i) = i == 31 ? 127.0f : i - 15.5f; // scale is 1: every value but the last is a tie
    Step step(1);
    kernel->run({x.base(), &step.batch, result.base()}, 1);
    for (int i = 0; i < 31; ++i)
      EXPECT_EQ(result.row<int8_t>(0)[i], static_cast<int>(std::nearbyint(i - 15.5))) << i;
  }
}

} // namespace
} // namespace llmc
