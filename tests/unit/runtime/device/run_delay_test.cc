// Two busy threads on one CPU wait for each other; a thread alone does not say more than it waited.
#include "runtime/device/run_delay.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "runtime/device/cpu_topology.h"

namespace llmc::rt {
namespace {

void pinAndBeBusy(int cpu, std::chrono::milliseconds time) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(cpu, &mask);
  ASSERT_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
  }
}

TEST(RunDelay, GrowsBesideABusyThread) {
  const int cpu = allowedCpus().front();
  std::atomic<bool> known{true};
  std::atomic<uint64_t> before{0}, after{0};
  std::thread one([&] {
    const RunDelay delay = RunDelay::open();
    known = delay.known();
    before = delay.nanoseconds();
    pinAndBeBusy(cpu, std::chrono::milliseconds(200));
    after = delay.nanoseconds();
  });
  std::thread other(pinAndBeBusy, cpu, std::chrono::milliseconds(200));
  one.join();
  other.join();
  if (!known || after == 0) GTEST_SKIP() << "this kernel does not count delays";
  EXPECT_GT(after - before, 20'000'000u) << "of 100 ms";
  EXPECT_LT(after - before, 60'000'000'000u);
}

TEST(RunDelay, AnotherThreadMayRead) {
  RunDelay delay;
  EXPECT_FALSE(delay.known());
  EXPECT_EQ(delay.nanoseconds(), 0u);
  std::atomic<bool> opened{false}, seen{false};
  std::thread worker([&] {
    delay = RunDelay::open();
    opened = true;
    while (!seen) std::this_thread::yield();
  });
  while (!opened) std::this_thread::yield();
  RunDelay moved = std::move(delay);
  EXPECT_FALSE(delay.known());  // NOLINT(bugprone-use-after-move): what a move leaves behind
  const uint64_t first = moved.nanoseconds();
  EXPECT_GE(moved.nanoseconds(), first);
  seen = true;
  worker.join();
}

}  // namespace
}  // namespace llmc::rt
