// KL divergence, losses and their statistics against values worked out by hand.
#include "compiler/quality/Divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace llmc {
namespace {

/// Logits whose softmax is `p`, moved by `shift`, which must not matter.
std::vector<float> logitsOf(const std::vector<double>& p, double shift) {
  std::vector<float> logits;
  for (double value : p) logits.push_back(static_cast<float>(std::log(value) + shift));
  return logits;
}

TEST(Divergence, OfTwoTokensByHand) {
  // 3/4 ln((3/4)/(1/4)) + 1/4 ln((1/4)/(3/4)) = 1/2 ln 3.
  RowComparison row = compareRows(logitsOf({0.75, 0.25}, 0), logitsOf({0.25, 0.75}, 40), 0);
  EXPECT_TRUE(row.finite);
  EXPECT_FALSE(row.sameTop);
  EXPECT_NEAR(row.divergence, 0.5493061443340549, 1e-5);
  EXPECT_NEAR(row.referenceLoss, 0.28768207245178085, 1e-6);  // ln 4/3
  EXPECT_NEAR(row.otherLoss, 1.3862943611198906, 1e-5);       // ln 4
}

TEST(Divergence, IsNotSymmetric) {
  // 1/2 ln 2 + 1/4 ln(2/3) + 1/4 ln(2/3) = 1/2 ln(4/3), and the other way round 1/4 ln(1/2) + 3/8 ln(3/2) * 2.
  std::vector<float> a = logitsOf({0.5, 0.25, 0.25}, 3), b = logitsOf({0.25, 0.375, 0.375}, -100);
  EXPECT_NEAR(compareRows(a, b, -1).divergence, 0.1438410362258904, 2e-5);
  EXPECT_NEAR(compareRows(b, a, -1).divergence, 0.1308120360211536, 2e-5);
}

TEST(Divergence, EqualRowsGiveZeroAndTheFirstOfEqualLogitsIsTheTop) {
  RowComparison row = compareRows(std::vector<float>{1, 7, 7, -3}, std::vector<float>{1, 7, 7, -3}, 3);
  EXPECT_EQ(row.divergence, 0);
  EXPECT_TRUE(row.sameTop);
  EXPECT_EQ(row.referenceLoss, row.otherLoss);
  EXPECT_FALSE(compareRows(std::vector<float>{7, 7}, std::vector<float>{6, 7}, -1).sameTop);
  EXPECT_EQ(compareRows(std::vector<float>{7, 7}, std::vector<float>{6, 7}, -1).otherLoss, 0);
}

TEST(Divergence, LargeLogitsDoNotOverflow) {
  RowComparison row = compareRows(std::vector<float>{3e38f, 0}, std::vector<float>{0, -3e38f}, 0);
  EXPECT_TRUE(row.finite);
  EXPECT_EQ(row.divergence, 0);
  EXPECT_EQ(row.otherLoss, 0);
}

TEST(Divergence, LogitsThatAreNotFiniteAreTold) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    EXPECT_FALSE(compareRows(std::vector<float>{0, bad}, std::vector<float>{0, 0}, -1).finite);
    EXPECT_FALSE(compareRows(std::vector<float>{0, 0}, std::vector<float>{bad, 0}, -1).finite);
  }
}

DivergenceSum sumOf(const std::vector<double>& divergences) {
  DivergenceSum sum;
  for (double value : divergences) sum.add({value, true, 0, 0, true}, false);
  return sum;
}

TEST(DivergenceSum, MeanMedianAndTail) {
  Divergence d = sumOf({4, 1, 2, 9}).result();
  EXPECT_EQ(d.rows, 4u);
  EXPECT_EQ(d.mean, 4);
  EXPECT_EQ(d.median, 3);
  EXPECT_EQ(d.p99, 9);
  EXPECT_EQ(sumOf({5, 1, 2}).result().median, 2);
  std::vector<double> many;
  for (int i = 1; i <= 200; ++i) many.push_back(i);
  EXPECT_EQ(sumOf(many).result().p99, 198);  // 2 of 200 are larger
}

TEST(DivergenceSum, LossesCountOnlyRowsWithANextToken) {
  DivergenceSum sum;
  sum.add({0, true, 1, 2, true}, true);
  sum.add({0, false, 2, 4, true}, true);
  sum.add({0, true, 0, 0, true}, false);
  Divergence d = sum.result();
  EXPECT_EQ(d.scored, 2u);
  EXPECT_EQ(d.referenceLoss, 1.5);
  EXPECT_EQ(d.otherLoss, 3);
  EXPECT_DOUBLE_EQ(d.sameTop, 2.0 / 3);
  EXPECT_EQ(DivergenceSum().result().rows, 0u);
}

}  // namespace
}  // namespace llmc
