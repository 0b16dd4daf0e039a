// Checked arithmetic at the edges of its types.
#include "runtime/base/checked.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

constexpr uint64_t kMax = ~uint64_t{0};

TEST(Checked, SumsAndProducts) {
  EXPECT_EQ(*checkedAdd<uint64_t>(kMax - 1, 1), kMax);
  EXPECT_FALSE(checkedAdd<uint64_t>(kMax, 1));
  EXPECT_FALSE(checkedAdd<int32_t>(INT32_MIN, -1));
  EXPECT_EQ(*checkedMul<uint64_t>(1ull << 32, 1ull << 31), 1ull << 63);
  EXPECT_FALSE(checkedMul<uint64_t>(1ull << 32, 1ull << 32));
  EXPECT_FALSE(checkedMul<int64_t>(INT64_MIN, -1));
}

TEST(Checked, Casts) {
  EXPECT_EQ(*checkedCast<uint8_t>(255), 255);
  EXPECT_FALSE(checkedCast<uint8_t>(256));
  EXPECT_FALSE(checkedCast<uint32_t>(-1));
  EXPECT_FALSE(checkedCast<int64_t>(kMax));
  EXPECT_EQ(*checkedCast<int64_t>(uint64_t{1} << 62), int64_t{1} << 62);
}

TEST(Checked, RangesNeverWrap) {
  EXPECT_TRUE(rangeInside(0, 0, 0));
  EXPECT_TRUE(rangeInside(10, 0, 10));
  EXPECT_TRUE(rangeInside(4, 6, 10));
  EXPECT_FALSE(rangeInside(4, 7, 10));
  EXPECT_FALSE(rangeInside(11, 0, 10));
  EXPECT_FALSE(rangeInside(kMax, kMax, 10));
  EXPECT_FALSE(rangeInside(5, kMax - 2, 10));
}

TEST(Checked, RoundsUp) {
  EXPECT_EQ(*checkedRoundUp(0, 64), 0u);
  EXPECT_EQ(*checkedRoundUp(1, 64), 64u);
  EXPECT_EQ(*checkedRoundUp(64, 64), 64u);
  EXPECT_EQ(*checkedRoundUp(10, 3), 12u);
  EXPECT_FALSE(checkedRoundUp(kMax - 10, 64));
}

}  // namespace
}  // namespace llmc::rt
