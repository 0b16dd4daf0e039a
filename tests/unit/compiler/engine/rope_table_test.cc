// Rope tables: angle addition gives every position, scalings match their definitions.
#include "compiler/engine/RopeTable.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace llmc {
namespace {

TEST(RopeTable, AngleAdditionGivesEveryPosition) {
  RopeSpec spec{.theta = 1e5, .dim = 64, .maxPositions = 8192, .factors = {}};
  std::vector<float> table = ropeTable(spec);
  ASSERT_EQ(table.size(), static_cast<size_t>((32 + 256) * 64));
  double worst = 0;
  for (int64_t position = 0; position < 8192; position += 7)
    for (int64_t i = 0; i < 32; ++i) {
      const float* a = table.data() + position / 256 * 64;
      const float* b = table.data() + (32 + position % 256) * 64;
      double angle = static_cast<double>(position) * std::pow(1e5, -2.0 * static_cast<double>(i) / 64);
      worst = std::max(worst, std::fabs(a[i] * b[i] - a[32 + i] * b[32 + i] - std::cos(angle)));
      worst = std::max(worst, std::fabs(a[32 + i] * b[i] + a[i] * b[32 + i] - std::sin(angle)));
    }
  EXPECT_LT(worst, 3e-7);
}

TEST(RopeTable, RowsCoverTheLastPosition) {
  EXPECT_EQ(ropeTableRows(1), 1 + 256);
  EXPECT_EQ(ropeTableRows(256), 1 + 256);
  EXPECT_EQ(ropeTableRows(257), 2 + 256);
}

TEST(RopeFrequencies, LinearAndFactorsDivide) {
  RopeSpec plain{.dim = 8, .factors = {}}, linear = plain, factored = plain;
  linear.scaling = RopeSpec::Scaling::Linear;
  linear.factor = 4;
  factored.factors = {1, 2, 4, 8};
  auto f = ropeFrequencies(plain), g = ropeFrequencies(linear), h = ropeFrequencies(factored);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_DOUBLE_EQ(g[i], f[i] / 4);
    EXPECT_DOUBLE_EQ(h[i], f[i] / factored.factors[i]);
  }
}

TEST(RopeFrequencies, Llama3KeepsShortStretchesLongBlendsBetween) {
  RopeSpec spec{.theta = 5e5,
                .dim = 128,
                .scaling = RopeSpec::Scaling::Llama3,
                .factor = 8,
                .lowFactor = 1,
                .highFactor = 4,
                .original = 8192,
                .factors = {}};
  RopeSpec plain = spec;
  plain.scaling = RopeSpec::Scaling::None;
  auto scaled = ropeFrequencies(spec), base = ropeFrequencies(plain);
  int kept = 0, stretched = 0, blended = 0;
  for (size_t i = 0; i < 64; ++i) {
    double wavelength = 2 * std::numbers::pi / base[i];
    if (wavelength < 2048) {
      ++kept;
      EXPECT_DOUBLE_EQ(scaled[i], base[i]);
    } else if (wavelength > 8192) {
      ++stretched;
      EXPECT_DOUBLE_EQ(scaled[i], base[i] / 8);
    } else {
      ++blended;
      EXPECT_LT(scaled[i], base[i]);
      EXPECT_GT(scaled[i], base[i] / 8);
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(stretched, 0);
  EXPECT_GT(blended, 0);
}

}  // namespace
}  // namespace llmc
