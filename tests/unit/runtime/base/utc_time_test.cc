#include "runtime/base/utc_time.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

TEST(UtcTime, IsRfc3339WithMilliseconds) {
  EXPECT_EQ(utcTimeText(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utcTimeText(1'709'164'800'007), "2024-02-29T00:00:00.007Z");
}

TEST(UtcTime, GoesOn) { EXPECT_GT(unixMilliseconds(), 1'700'000'000'000); }

}  // namespace
}  // namespace llmc::rt
