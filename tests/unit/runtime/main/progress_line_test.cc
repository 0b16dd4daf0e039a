// Nothing of what is quick, then a text for each percent.
#include "runtime/main/progress_line.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

constexpr uint64_t kTotal = uint64_t{4} << 30;

TEST(ProgressLine, SaysNothingOfWhatIsQuick) {
  ProgressLine line("weights");
  testing::internal::CaptureStderr();
  EXPECT_EQ(line.textAt(0.5, kTotal / 2, kTotal), "");
  EXPECT_EQ(line.textAt(0.9, kTotal, kTotal), "");
  EXPECT_EQ(line.textAt(5, kTotal, kTotal), "") << "at its end there is nothing to wait for";
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ProgressLine, SaysEachPercentOnce) {
  testing::internal::CaptureStderr();
  {
    ProgressLine line("weights");
    EXPECT_EQ(line.textAt(1.5, kTotal / 2, kTotal), "\rweights:  50% of 4.00 GiB");
    EXPECT_EQ(line.textAt(1.6, kTotal / 2 + 1, kTotal), "");
    EXPECT_EQ(line.textAt(1.7, kTotal, kTotal), "\rweights: 100% of 4.00 GiB");
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "\n") << "the line ends with the work";
}

TEST(ProgressLine, NothingAtAllIsAllDone) {
  ProgressLine line("weights");
  EXPECT_EQ(line.textAt(2, 0, 0), "");
}

TEST(ProgressLine, WritesToTerminalsAlone) {
  testing::internal::CaptureStderr();
  {
    ProgressLine line("weights");
    line.show(1, kTotal);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace llmc::rt
