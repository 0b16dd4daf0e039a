// Factors of a llama3 scaling, there and back.
#include "compiler/import/RopeFactors.h"

#include <gtest/gtest.h>

namespace llmc {
namespace {

TEST(RopeFactors, RopeFactorsGiveTheirScalingBack) {
  for (auto [original, high] : {std::pair{8192, 4.0}, {128, 4.0}, {4096, 8.0}}) {
    RopeScaling scaling{RopeScaling::Kind::Llama3, 32, 1, high, original};
    auto factors = llama3Factors(scaling, 500000, 128);
    auto found = llama3ScalingOf(factors, 500000, 128);
    ASSERT_TRUE(found.has_value()) << original;
    EXPECT_EQ(found->factor, 32);
    EXPECT_NEAR(static_cast<double>(found->originalPositions), original, original * 1e-3);
    factors[60] = 2;
    EXPECT_FALSE(llama3ScalingOf(factors, 500000, 128).has_value());
  }
}

TEST(RopeFactors, HighFrequenciesKeepTheirsLowOnesAreDivided) {
  const RopeScaling scaling{RopeScaling::Kind::Llama3, 8, 1, 4, 8192};
  const auto factors = llama3Factors(scaling, 500000, 128);
  ASSERT_EQ(factors.size(), 64u);
  EXPECT_EQ(factors.front(), 1.0f);
  EXPECT_EQ(factors.back(), 8.0f);
  EXPECT_TRUE(std::is_sorted(factors.begin(), factors.end()));
}

}  // namespace
}  // namespace llmc
