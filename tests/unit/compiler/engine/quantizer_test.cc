// Group quantizers: within the error of the format, never worse than plain rounding, the same on every instruction set.
#include "compiler/engine/Quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "codegen/registry/PackedLayout.h"

namespace llmc {
namespace {

struct Group {
  alignas(64) float x[32 * 16];
  alignas(64) uint32_t lines[8 * 16] = {};
  uint16_t scales[16] = {}, mins[16] = {};
  float at(int k, int lane) const { return x[k * 16 + lane]; }
  int nibble(int k, int lane) const {
    return static_cast<int>(lines[k % 16 / 4 * 16 + lane] >> (8 * (k % 4) + (k >= 16 ? 4 : 0)) & 15);
  }
  int byte(int k, int lane) const { return static_cast<int>(lines[k / 4 * 16 + lane] >> (8 * (k % 4)) & 255); }
};

Group randomGroup(uint32_t seed, float deviation, float shift = 0.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(shift, deviation);
  Group group;
  for (float& value : group.x) value = normal(random);
  return group;
}

double symmetricError(const Group& g, int lane) {
  double sum = 0, scale = f16ToF32(g.scales[lane]);
  for (int k = 0; k < 32; ++k) sum += std::pow(g.at(k, lane) - scale * (g.nibble(k, lane) - 8), 2);
  return sum;
}
double asymmetricError(const Group& g, int lane) {
  double sum = 0, scale = f16ToF32(g.scales[lane]), min = f16ToF32(g.mins[lane]);
  for (int k = 0; k < 32; ++k) sum += std::pow(g.at(k, lane) - (scale * g.nibble(k, lane) + min), 2);
  return sum;
}

/// ggml's reference: the extreme value lands on -8.
double plainSymmetricError(const Group& g, int lane) {
  float extreme = 0;
  for (int k = 0; k < 32; ++k)
    if (std::fabs(g.at(k, lane)) > std::fabs(extreme)) extreme = g.at(k, lane);
  double scale = f16ToF32(f32ToF16(extreme / -8)), sum = 0;
  for (int k = 0; k < 32; ++k)
    sum += std::pow(g.at(k, lane) - scale * std::clamp(std::nearbyint(g.at(k, lane) / scale), -8.0, 7.0), 2);
  return sum;
}
double plainAsymmetricError(const Group& g, int lane) {
  float low = g.at(0, lane), high = low;
  for (int k = 1; k < 32; ++k) low = std::min(low, g.at(k, lane)), high = std::max(high, g.at(k, lane));
  double scale = f16ToF32(f32ToF16((high - low) / 15)), min = f16ToF32(f32ToF16(low)), sum = 0;
  for (int k = 0; k < 32; ++k)
    sum +=
        std::pow(g.at(k, lane) - min - scale * std::clamp(std::nearbyint((g.at(k, lane) - min) / scale), 0.0, 15.0), 2);
  return sum;
}

TEST(Quantizer, EightBitSearchBeatsPlainRounding) {
  double searched = 0, plain = 0;
  for (uint32_t seed = 0; seed < 64; ++seed) {
    Group g = randomGroup(seed, 0.02f);
    ASSERT_EQ(groupQuantizers().i8(g.x, g.lines, g.scales, g.mins), 0u);
    for (int r = 0; r < 16; ++r) {
      const float scale = f16ToF32(g.scales[r]);  // may be negative, as the 4-bit ones
      float largest = 0;
      for (int k = 0; k < 32; ++k) largest = std::max(largest, std::fabs(g.at(k, r)));
      for (int k = 0; k < 32; ++k) {
        const float error = std::fabs(g.at(k, r) - scale * static_cast<float>(g.byte(k, r) - 128));
        EXPECT_LE(error, std::fabs(scale)) << seed;  // the extreme value may be cut by half a step
        searched += error * error;
        const float step = f16ToF32(f32ToF16(largest / 127));
        const float rounded = g.at(k, r) - step * std::nearbyint(g.at(k, r) / step);
        plain += rounded * rounded;
      }
    }
  }
  EXPECT_LT(searched, 0.93 * plain);
  RecordProperty("eight_bit_vs_plain", std::to_string(searched / plain));
}

TEST(Quantizer, SearchBeatsPlainRounding) {
  double symmetric = 0, plainSymmetric = 0, asymmetric = 0, plainAsymmetric = 0;
  for (uint32_t seed = 0; seed < 64; ++seed) {
    Group g = randomGroup(seed, 0.02f, seed % 2 == 0 ? 0.0f : 0.01f);
    ASSERT_EQ(groupQuantizers().i4Sym(g.x, g.lines, g.scales, g.mins), 0u);
    for (int r = 0; r < 16; ++r) symmetric += symmetricError(g, r), plainSymmetric += plainSymmetricError(g, r);
    ASSERT_EQ(groupQuantizers().i4Asym(g.x, g.lines, g.scales, g.mins), 0u);
    for (int r = 0; r < 16; ++r) asymmetric += asymmetricError(g, r), plainAsymmetric += plainAsymmetricError(g, r);
  }
  EXPECT_LT(symmetric, 0.95 * plainSymmetric);
  EXPECT_LT(asymmetric, 0.9 * plainAsymmetric);
  EXPECT_LT(asymmetric, symmetric);
  RecordProperty("symmetric_vs_plain", std::to_string(symmetric / plainSymmetric));
  RecordProperty("asymmetric_vs_plain", std::to_string(asymmetric / plainAsymmetric));
}

TEST(Quantizer, ValuesOnAGridAreExact) {
  Group g;
  for (int k = 0; k < 32; ++k)
    for (int r = 0; r < 16; ++r) g.x[k * 16 + r] = 0.25f * static_cast<float>((k + r) % 16) - 1.0f;
  ASSERT_EQ(groupQuantizers().i4Asym(g.x, g.lines, g.scales, g.mins), 0u);
  for (int r = 0; r < 16; ++r) EXPECT_LT(asymmetricError(g, r), 1e-9);
  for (int k = 0; k < 32; ++k)
    for (int r = 0; r < 16; ++r) g.x[k * 16 + r] = 0.25f * static_cast<float>((k + r) % 16 - 8);
  ASSERT_EQ(groupQuantizers().i4Sym(g.x, g.lines, g.scales, g.mins), 0u);
  for (int r = 0; r < 16; ++r) EXPECT_LT(symmetricError(g, r), 1e-9);
}

TEST(Quantizer, ConstantAndTinyGroups) {
  for (float value : {0.0f, 1.5f, -3.0f, 1e-30f, 1e-44f}) {
    Group g;
    std::fill(std::begin(g.x), std::end(g.x), value);
    ASSERT_EQ(groupQuantizers().i4Asym(g.x, g.lines, g.scales, g.mins), 0u);
    EXPECT_LT(asymmetricError(g, 3), 1e-9) << value;
    ASSERT_EQ(groupQuantizers().i4Sym(g.x, g.lines, g.scales, g.mins), 0u);
    EXPECT_LT(symmetricError(g, 3), 1e-6 * 32 * (value * value + 1e-9)) << value;
    ASSERT_EQ(groupQuantizers().i8(g.x, g.lines, g.scales, g.mins), 0u);
    EXPECT_NEAR(f16ToF32(g.scales[3]) * static_cast<float>(g.byte(5, 3) - 128), value, 0.01) << value;
  }
}

TEST(Quantizer, FaultsNameTheirLane) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    for (GroupQuantizer quantize : {groupQuantizers().i8, groupQuantizers().i4Sym, groupQuantizers().i4Asym}) {
      Group g = randomGroup(3, 0.02f);
      g.x[17 * 16 + 5] = bad;
      EXPECT_EQ(quantize(g.x, g.lines, g.scales, g.mins) & 0xffffu, 1u << 5);
    }
  }
  Group g = randomGroup(3, 0.02f);
  g.x[9] = 1e9f;
  EXPECT_EQ(groupQuantizers().i8(g.x, g.lines, g.scales, g.mins), 0x10000u << 9);
  EXPECT_EQ(groupQuantizers().i4Sym(g.x, g.lines, g.scales, g.mins), 0x10000u << 9);
  EXPECT_NE(groupQuantizers().i4Asym(g.x, g.lines, g.scales, g.mins) & 0x10000u << 9, 0u);
}

TEST(Quantizer, SameBitsOnEveryInstructionSet) {
  const GroupQuantizers &wide = groupQuantizers(), &plain = portableQuantizers();
  const std::pair<GroupQuantizer, GroupQuantizer> pairs[] = {{wide.i8, plain.i8},
                                                             {wide.i4Sym, plain.i4Sym},
                                                             {wide.i4Asym, plain.i4Asym},
                                                             {wide.i4SymSquare, plain.i4SymSquare},
                                                             {wide.i4AsymSquare, plain.i4AsymSquare}};
  for (uint32_t seed = 0; seed < 200; ++seed) {
    Group g = randomGroup(seed, std::pow(10.0f, static_cast<float>(seed % 9) - 6.0f), seed % 3 == 0 ? 0.01f : 0.0f);
    for (auto [a, b] : pairs) {
      Group one = g, two = g;
      ASSERT_EQ(a(one.x, one.lines, one.scales, one.mins), b(two.x, two.lines, two.scales, two.mins));
      ASSERT_TRUE(std::equal(std::begin(one.lines), std::end(one.lines), two.lines)) << seed;
      ASSERT_TRUE(std::equal(std::begin(one.scales), std::end(one.scales), two.scales)) << seed;
      ASSERT_TRUE(std::equal(std::begin(one.mins), std::end(one.mins), two.mins)) << seed;
    }
  }
}

}  // namespace
}  // namespace llmc
