// What was asked for is what the kernel says next time, and the system's slice comes back.
#include "runtime/device/time_slice.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "runtime/device/worker_pool.h"

namespace llmc::rt {
namespace {

/// Runs on a thread of its own: the slice goes with it. False: this kernel keeps no slices.
bool keepsSlices() {
  bool kept = false;
  std::thread([&] {
    (void)setTimeSlice(200'000);
    kept = setTimeSlice(0) == 200'000;
  }).join();
  return kept;
}

TEST(TimeSlice, IsKeptUntilItIsGivenBack) {
  if (!keepsSlices()) GTEST_SKIP() << "this kernel or policy has no slices of threads";
  std::thread([] {
    const uint64_t before = setTimeSlice(150'000);
    EXPECT_EQ(setTimeSlice(before), 150'000u);
    EXPECT_EQ(setTimeSlice(before), before);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  }).join();
}

TEST(TimeSlice, ThePoolGivesItsCallerTheOldOneBack) {
  if (!keepsSlices()) GTEST_SKIP() << "this kernel or policy has no slices of threads";
  std::thread([] {
    const uint64_t before = setTimeSlice(2'000'000);
    auto pool = WorkerPool::create({.threads = 2});
    ASSERT_TRUE(pool);
    const uint64_t during = setTimeSlice(50'000);
    EXPECT_LT(during, 2'000'000u);
    pool->reset();
    EXPECT_EQ(setTimeSlice(before), 2'000'000u);
  }).join();
}

}  // namespace
}  // namespace llmc::rt
