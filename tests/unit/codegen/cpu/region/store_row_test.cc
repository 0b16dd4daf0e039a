// Quantized rows: values, scales, biases of every kind, padding.
#include "tests/unit/codegen/cpu/rows/row_case.h"

#include "gtest/gtest.h"
#include <cmath>

namespace llmc {
namespace {

std::string quantizeText(int64_t n, int64_t zero) {
  std::string q = "!llm.qact<[T, " + std::to_string(n) + "], zero = " + std::to_string(zero) + ">";
  return functionText({act(n), "!llm.batch"}, {q},
                      "%r = llm.quantize %a0 : (" + act(n) + ") -> " + q + "\nkern.yield %r : " + q + "\n");
}

void checkGroup(const float *x, int64_t live, const int8_t *q, float scale) {
  double top = 0;
  for (int64_t i = 0; i < live; ++i)
    top = std::max(top, std::fabs(double(x[i])));
  ASSERT_NEAR(scale, top / 127, 1e-6 * top);
  for (int64_t i = 0; i < 16; ++i) {
    double exact = i < live && top > 0 ? x[i] / (top / 127) : 0;
    ASSERT_LE(std::fabs(q[i] - exact), 0.5 + 1e-4) << i;
  }
}

/// The bias of `columns` columns from their stored values and scales of 16 each.
double biasOf(const int8_t *q, const float *scales, int64_t columns, int64_t zero) {
  double bias = 0;
  for (int64_t i = 0; i < columns; ++i)
    bias += double(scales[i / 16]) * q[i];
  return zero == 0 ? bias : -static_cast<double>(zero) * bias;
}

void checkQuantize(int64_t n, int64_t zero) {
  SCOPED_TRACE("N = " + std::to_string(n) + ", zero = " + std::to_string(zero));
  // Weights with a scale for each 16 columns (zero = 32) need biases of as many.
  const int64_t padded = rt::paddedK(n), groups = padded / 32, biasGroup = zero == 32 ? 16 : 32;
  for (const Level &level : instructionSets()) {
    auto kernel = buildKernel(quantizeText(n, zero), level, emitRowKernel);
    ASSERT_TRUE(kernel);
    if (!canRun(level))
      continue;
    for (int64_t tokens : {1, 7, 33}) {
      Rows x(tokens, n * 4), result(tokens, rt::quantizedRowBytes(n, biasGroup));
      x.randomize(n, 5);
      std::fill(x.row<float>(0), x.row<float>(0) + std::min<int64_t>(n, 32), 0.0f); // a group of zeros
      Step step(tokens);
      kernel->run({x.base(), &step.batch, result.base()}, 3);
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t g = 0; g < groups; ++g) {
          int8_t *row = result.row<int8_t>(t);
          float scales[2], biases[2];
          std::memcpy(scales, row + rt::quantizedScalesAt(n) + 8 * g, 8);
          std::memcpy(biases, row + rt::quantizedBiasesAt(n) + 4 * (32 / biasGroup) * g, 4 * (32 / biasGroup));
          for (int64_t half = 2 * g; half < 2 * g + 2; ++half)
            checkGroup(x.row<float>(t) + 16 * half, std::clamp<int64_t>(n - 16 * half, 0, 16), row + 16 * half,
                       scales[half % 2]);
          double most = 127.0 * 16 * (scales[0] + scales[1]) * std::max<int64_t>(zero, 1);
          for (int64_t i = 0; i < 32 / biasGroup; ++i)
            ASSERT_NEAR(biases[i], biasOf(row + 32 * g + 16 * i, scales + i, biasGroup, zero), 1e-6 * most + 1e-30);
          if (::testing::Test::HasFatalFailure())
            return;
        }
      ASSERT_TRUE(result.paddingIntact());
    }
  }
}

TEST(Quantize, EveryBiasKind) {
  for (int64_t zero : {8, 128, 0, 16, 32})
    for (int64_t n : {576, 64, 32, 72, 50})
      checkQuantize(n, zero);
}

TEST(Quantize, RoundsToNearestEven) {
  for (const Level &level : instructionSets()) {
    if (!canRun(level))
      continue;
    auto kernel = buildKernel(quantizeText(32, 8), level, emitRowKernel);
    ASSERT_TRUE(kernel);
    Rows x(1, 128), result(1, rt::quantizedRowBytes(32));
    for (int i = 0; i < 32; ++i)
      x.at(0, i) = i % 16 == 15 ? 127.0f : i - 15.5f; // scales are 1: all values but the last of a group are ties
    Step step(1);
    kernel->run({x.base(), &step.batch, result.base()}, 1);
    for (int i = 0; i < 32; ++i)
      if (i % 16 != 15)
        EXPECT_EQ(result.row<int8_t>(0)[i], static_cast<int>(std::nearbyint(i - 15.5))) << i;
  }
}

} // namespace
} // namespace llmc
