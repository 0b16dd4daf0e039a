// The barrier orders memory and survives sleepers.
#include "runtime/device/phase_barrier.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace llmc::rt {
namespace {

/// Each thread adds to a plain counter in turn order; every phase must see all of the one before.
void checkPhases(uint32_t threads, int phases, uint64_t spinNanoseconds) {
  PhaseBarrier barrier(spinNanoseconds);
  std::vector<int> written(threads * 16, 0);
  std::atomic<int> wrong{0};
  auto body = [&](uint32_t self) {
    for (int phase = 1; phase <= phases; ++phase) {
      written[self * 16] = phase;
      barrier.arrive(threads);
      for (uint32_t other = 0; other < threads; ++other)
        if (written[other * 16] != phase) wrong.fetch_add(1);
      barrier.arrive(threads);
    }
  };
  std::vector<std::thread> pool;
  for (uint32_t i = 1; i < threads; ++i) pool.emplace_back(body, i);
  body(0);
  for (auto& thread : pool) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(PhaseBarrier, OrdersPlainWritesWhileSpinning) { checkPhases(3, 2000, 50'000); }
TEST(PhaseBarrier, OrdersPlainWritesWhileSleeping) { checkPhases(4, 300, 0); }
TEST(PhaseBarrier, MoreThreadsThanCores) { checkPhases(9, 60, 1'000); }
TEST(PhaseBarrier, OneThreadNeverWaits) { checkPhases(1, 10, 0); }

/// In each phase the threads take numbers below `count` from each counter; each must come to one of them, once.
TEST(PhaseBarrier, CountersStartAtZeroInEachPhase) {
  constexpr uint32_t kThreads = 4, kCount = 50;
  PhaseBarrier barrier(50'000);
  std::vector<int> taken(PhaseBarrier::kCounters * kCount);  // written without atomics: by one thread a phase
  auto body = [&] {
    for (int phase = 0; phase < 200; ++phase) {
      for (uint32_t counter = 0; counter < PhaseBarrier::kCounters; ++counter)
        for (uint32_t i; (i = barrier.counter(counter)->fetch_add(1, std::memory_order_relaxed)) < kCount;)
          ++taken[counter * kCount + i];
      barrier.arrive(kThreads);
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t i = 1; i < kThreads; ++i) threads.emplace_back(body);
  body();
  for (auto& thread : threads) thread.join();
  for (const int times : taken) ASSERT_EQ(times, 200);
  EXPECT_EQ(barrier.counter(PhaseBarrier::kCounters), nullptr);
}

TEST(PhaseBarrier, TicksAreProportionalToTime) {
  EXPECT_EQ(tscTicks(0), 0u);
  EXPECT_GT(tscTicks(1'000'000), 100'000u);     // 0.1 GHz
  EXPECT_LT(tscTicks(1'000'000), 10'000'000u);  // 10 GHz
}

}  // namespace
}  // namespace llmc::rt
