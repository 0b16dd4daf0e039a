// Vector loops against plain ones, at lengths around the block sizes.
#include "runtime/sample/vocab_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace llmc::rt {
namespace {

std::vector<float> randomRow(uint32_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 8);
  std::vector<float> row(count);
  for (float& x : row) x = normal(random);
  return row;
}

TEST(VocabScan, AgreesWithPlainLoops) {
  for (uint32_t count : {1u, 7u, 31u, 32u, 33u, 63u, 64u, 65u, 255u, 256u, 257u, 1000u, 49152u, 50257u}) {
    const auto row = randomRow(count, count);
    const auto best = std::max_element(row.begin(), row.end());
    const MaxScan scan = scanMax(row.data(), count);
    EXPECT_EQ(scan.max, *best);
    EXPECT_TRUE(scan.finite);
    EXPECT_EQ(findFirst(row.data(), count, *best), static_cast<uint32_t>(best - row.begin()));
    std::vector<float> maxima(scanBlocks(count)), sums(scanBlocks(count));
    blockMaxima(row.data(), count, maxima.data());
    expSums(row.data(), count, *best, 1.25f, sums.data());
    std::vector<float> exps(count);
    expRow(row.data(), count, *best, 1.25f, exps.data());
    for (uint32_t i = 0; i < count; ++i) EXPECT_EQ(exps[i], expNonPositive((row[i] - *best) * 1.25f));
    for (uint32_t block = 0; block < maxima.size(); ++block) {
      const uint32_t end = std::min(count, (block + 1) * kScanBlock);
      float max = -1e30f;
      double sum = 0;
      for (uint32_t i = block * kScanBlock; i < end; ++i) {
        max = std::max(max, row[i]);
        sum += std::exp(static_cast<double>((row[i] - *best) * 1.25f));
      }
      EXPECT_EQ(maxima[block], max);
      EXPECT_NEAR(sums[block], sum, 1e-6 * sum + 1e-36);
    }
  }
}

TEST(VocabScan, MarksWhatIsAtLeastTheBound) {
  auto row = randomRow(kScanBlock + 1, 5);
  row[40] = row[7];  // equal counts
  for (const float bound : {row[7], 1e30f, -1e30f})
    for (uint32_t from : {0u, 1u}) {  // of any alignment
      const uint64_t bits = atLeast(row.data() + from, bound);
      for (uint32_t i = 0; i < kScanBlock; ++i) EXPECT_EQ(bits >> i & 1, row[from + i] >= bound) << i;
    }
}

TEST(VocabScan, FindsNothingWhereThereIsNothing) {
  const auto row = randomRow(1000, 1);
  EXPECT_EQ(findFirst(row.data(), 1000, 1e9f), 1000u);
}

TEST(VocabScan, SeesEachNonFiniteEntry) {
  for (uint32_t count : {1u, 33u, 1000u})
    for (uint32_t at : {0u, count / 2, count - 1})
      for (float bad :
           {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
        auto row = randomRow(count, 3);
        row[at] = bad;
        EXPECT_FALSE(scanMax(row.data(), count).finite) << count << " " << at << " " << bad;
      }
}

TEST(VocabScan, ExpIsAccurate) {
  EXPECT_EQ(expNonPositive(0), 1.0f);
  for (float x = 0; x > -86; x -= 0.0137f) {
    const double exact = std::exp(static_cast<double>(x));
    EXPECT_NEAR(expNonPositive(x), exact, 2e-7 * exact) << x;
  }
  EXPECT_EQ(expNonPositive(-200), 0.0f);
  EXPECT_EQ(expNonPositive(-std::numeric_limits<float>::infinity()), 0.0f);
}

}  // namespace
}  // namespace llmc::rt
