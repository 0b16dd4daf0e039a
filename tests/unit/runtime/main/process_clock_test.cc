// The clock counts from the start of the process, not of the call.
#include "runtime/main/process_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace llmc::rt {
namespace {

TEST(ProcessClock, GrowsWithTime) {
  const double first = millisecondsSinceStart();
  const double seconds = monotonicSeconds();
  EXPECT_GT(first, 0);
  EXPECT_LT(first, 600e3);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_GE(millisecondsSinceStart() - first, 19);
  EXPECT_GE(monotonicSeconds() - seconds, 0.019);
}

TEST(ProcessClock, AThreadThatSleepsTakesNoCpuTime) {
  const double seconds = threadCpuSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double slept = threadCpuSeconds();
  EXPECT_LT(slept - seconds, 0.01);
  while (threadCpuSeconds() == slept) {
  }
  EXPECT_GT(threadCpuSeconds(), slept);
}

}  // namespace
}  // namespace llmc::rt
