// Walks: every worker calls every launch, phases are ordered, idle workers use no CPU; prints the cost of a barrier.
#include "runtime/device/worker_pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <span>
#include <thread>
#include <vector>

namespace llmc::rt {
namespace {

std::unique_ptr<WorkerPool> makePool(int threads, PoolOptions options = {}) {
  options.threads = threads;
  auto pool = WorkerPool::create(options);
  EXPECT_TRUE(pool) << pool.status().toString();
  return pool.take();
}

// args: one cache line a worker, counted up; a launch sees its phase number at args[1].
int32_t count(const uint64_t* args, uint32_t worker, uint32_t, std::atomic<uint32_t>*) {
  ++reinterpret_cast<uint64_t*>(args[0])[worker * 8];
  return 0;
}

// Fails when another worker is not as far as the phase before this one.
int32_t checkOthers(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  auto* lines = reinterpret_cast<uint64_t*>(args[0]);
  const uint64_t mine = lines[worker * 8];
  for (uint32_t other = 0; other < workers; ++other)
    if (lines[other * 8] != mine) return 7;
  return 0;
}

int32_t fail(const uint64_t*, uint32_t worker, uint32_t, std::atomic<uint32_t>*) { return worker == 0 ? 42 : 0; }

struct Lines {
  alignas(64) uint64_t values[64 * 8] = {};
  uint64_t args[1] = {reinterpret_cast<uint64_t>(values)};
};

TEST(WorkerPool, EveryWorkerRunsEveryLaunchInPhaseOrder) {
  for (int threads : {1, 2, 3, 4, 7}) {
    auto pool = makePool(threads);
    Lines lines;
    std::vector<KernelCall> calls;
    std::vector<uint32_t> ends;
    for (int phase = 0; phase < 50; ++phase) {
      calls.push_back({count, lines.args});
      ends.push_back(static_cast<uint32_t>(calls.size()));
      calls.push_back({checkOthers, lines.args});
      ends.push_back(static_cast<uint32_t>(calls.size()));
    }
    for (int round = 0; round < 20; ++round) EXPECT_EQ(pool->run({calls, ends}), 0);
    for (int worker = 0; worker < threads; ++worker) EXPECT_EQ(lines.values[worker * 8], 1000u);
  }
}

/// The last worker waits in the second phase for its args[0].
int32_t hold(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>* /*taken*/) {
  const auto& open = *reinterpret_cast<const std::atomic<bool>*>(args[0]);
  while (worker == workers - 1 && !open) std::this_thread::yield();
  return 0;
}

TEST(WorkerPool, OthersSeeWhereAWorkerStands) {
  auto pool = makePool(2);
  Lines lines;
  std::atomic<bool> open{false};
  const uint64_t args[] = {reinterpret_cast<uint64_t>(&open)};
  const KernelCall calls[] = {{count, lines.args}, {hold, args}, {count, lines.args}};
  const uint32_t ends[] = {1, 2, 3};
  bool seen = false;
  std::thread other([&] {
    for (int i = 0; i < 2000 && !seen; ++i) {
      const WorkerPlace one = pool->place(0), held = pool->place(1);
      seen = one.phase == 1 && one.waits && held.phase == 1 && !held.waits;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    open = true;
  });
  EXPECT_EQ(pool->run({calls, ends}), 0);
  other.join();
  EXPECT_TRUE(seen);
  EXPECT_EQ(pool->place(0).phase, 2u);
}

TEST(WorkerPool, AKernelThatFailsStopsTheWalkButNotThePool) {
  auto pool = makePool(3);
  Lines lines;
  const KernelCall calls[] = {{count, lines.args}, {fail, lines.args}, {count, lines.args}};
  const uint32_t ends[] = {1, 2, 3};
  for (int round = 0; round < 10; ++round) EXPECT_EQ(pool->run({calls, ends}), 42);
  for (int worker = 0; worker < 3; ++worker) EXPECT_EQ(lines.values[worker * 8], 10u);
  EXPECT_EQ(pool->run({std::span(calls).first(1), std::span(ends).first(1)}), 0);
}

TEST(WorkerPool, EmptyWalksAndEmptyPhasesAreFine) {
  auto pool = makePool(2);
  EXPECT_EQ(pool->run({}), 0);
  const uint32_t ends[] = {0, 0};
  EXPECT_EQ(pool->run({{}, ends}), 0);
}

TEST(WorkerPool, RefusesAnImpossibleThreadCount) {
  for (int threads : {-1, 100000}) {
    PoolOptions options;
    options.threads = threads;
    auto pool = WorkerPool::create(options);
    ASSERT_FALSE(pool);
    EXPECT_EQ(pool.status().code(), "RT_THREADS");
    EXPECT_EQ(exitStatus(pool.status().kind()), 64);
  }
}

TEST(WorkerPool, GivesTheCallerItsCpusBack) {
  cpu_set_t before, after;
  sched_getaffinity(0, sizeof before, &before);
  makePool(1).reset();
  sched_getaffinity(0, sizeof after, &after);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

double cpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

TEST(WorkerPool, IdleWorkersUseNoCpu) {
  auto pool = makePool(4);
  EXPECT_EQ(pool->run({}), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double before = cpuSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(cpuSeconds() - before, 0.015);  // of 1.2 s that four busy workers would use
}

/// Worker 0 works for a millisecond; the other one, which comes first and waits, counts its sleeps so far in args[0].
int32_t firstIsLate(const uint64_t* args, uint32_t worker, uint32_t /*workers*/, std::atomic<uint32_t>* /*taken*/) {
  if (worker == 1) {
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    *reinterpret_cast<int64_t*>(args[0]) = usage.ru_nvcsw;
    return 0;
  }
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(1)) {
  }
  return 0;
}

/// Of the worker that waits, in `phases` of a walk.
int64_t sleeps(PoolOptions options, size_t phases) {
  auto pool = makePool(2, options);
  int64_t now = 0;
  const uint64_t args[1] = {reinterpret_cast<uint64_t>(&now)};
  std::vector<KernelCall> calls(phases + 1, KernelCall{firstIsLate, args});
  std::vector<uint32_t> ends(calls.size());
  for (uint32_t i = 0; i < ends.size(); ++i) ends[i] = i + 1;
  EXPECT_EQ(pool->run({std::span(calls).first(1), std::span(ends).first(1)}), 0);
  const int64_t before = now;
  EXPECT_EQ(pool->run({calls, ends}), 0);
  return now - before;
}

uint64_t neverWaits(uint32_t) { return 0; }

/// Half of the time.
uint64_t waitsForRivals(uint32_t) {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) / 2;
}

TEST(WorkerPool, AWorkerAloneOnItsCpuSpinsInsteadOfSleeping) {
  if (placeHere(2).workers.size() < 2 || !placeHere(2).ownCpus()) GTEST_SKIP() << "there is one CPU";
  EXPECT_LE(sleeps({.aloneNanoseconds = 1'000'000'000, .waited = neverWaits}, 40), 10);  // between the walks, mostly
  EXPECT_GE(sleeps({.aloneNanoseconds = 0, .waited = neverWaits}, 40), 30);
}

TEST(WorkerPool, BesideARivalItSleepsSoon) {
  if (placeHere(2).workers.size() < 2 || !placeHere(2).ownCpus()) GTEST_SKIP() << "there is one CPU";
  // Seen after the first stretch, of 10 phases.
  EXPECT_GE(sleeps({.aloneNanoseconds = 1'000'000'000, .waited = waitsForRivals}, 80), 50);
}

TEST(WorkerPool, TimesAreOfTheKernelThatTookThem) {
  // Worker 1 works in the first call, so worker 0 waits for it.
  int32_t (*uneven)(const uint64_t*, uint32_t, uint32_t,
                    std::atomic<uint32_t>*) = [](const uint64_t*, uint32_t worker, uint32_t, std::atomic<uint32_t>*) {
    if (worker == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return 0;
  };
  int32_t (*nothing)(const uint64_t*, uint32_t, uint32_t, std::atomic<uint32_t>*) =
      [](const uint64_t*, uint32_t, uint32_t, std::atomic<uint32_t>*) { return 0; };
  auto pool = makePool(2);
  const KernelCall calls[] = {{uneven, nullptr}, {nothing, nullptr}, {nothing, nullptr}};
  const uint32_t ends[] = {2, 3};
  WalkTimes times;
  ASSERT_EQ(pool->run({calls, ends}, &times), 0);
  const uint64_t half = tscTicks(10'000'000);
  ASSERT_EQ(times.starts.size(), 2u);
  ASSERT_EQ(times.starts[0].size(), 3u);
  ASSERT_EQ(times.opens[0].size(), 2u);
  const auto spent = [&](uint32_t worker) { return times.ends[worker][0] - times.starts[worker][0]; };
  EXPECT_GT(spent(1), half);
  EXPECT_LT(spent(0), half);
  EXPECT_GT(times.opens[0][0] - times.ends[0][1], half);  // worker 0 waited
  for (uint32_t worker : {0u, 1u}) {
    EXPECT_GE(times.starts[worker][0], times.begin);
    EXPECT_GE(times.starts[worker][2], times.opens[worker][0]);
    EXPECT_EQ(times.opens[worker][1], times.end);
  }
}

// args: a counter a item, as many items as args[1].
int32_t countItems(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  auto* items = reinterpret_cast<uint32_t*>(args[0]);
  for (uint64_t i = args[1] * worker / workers; i < args[1] * (worker + 1) / workers; ++i) ++items[i];
  return 0;
}

// args: a counter a item, as many items as args[1]; the launch has them all done by whoever is free.
int32_t takeItems(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>* taken) {
  if (!taken) return countItems(args, worker, workers, nullptr);
  auto* items = reinterpret_cast<uint32_t*>(args[0]);
  for (uint32_t i; (i = taken->fetch_add(1, std::memory_order_relaxed)) < args[1];) ++items[i];
  return 0;
}

TEST(WorkerPool, LaunchesOfAPhaseHaveCountersOfTheirOwn) {
  constexpr uint32_t kItems = 40, kLaunches = PhaseBarrier::kCounters + 2;  // the last two get none
  for (int threads : {1, 2, 4}) {
    auto pool = makePool(threads);
    std::vector<std::vector<uint32_t>> items(kLaunches, std::vector<uint32_t>(kItems));
    std::vector<std::array<uint64_t, 2>> args;
    for (auto& each : items) args.push_back({reinterpret_cast<uint64_t>(each.data()), kItems});
    std::vector<KernelCall> calls;
    std::vector<uint32_t> ends;
    for (int phase = 0; phase < 20; ++phase) {
      for (auto& each : args) calls.push_back({takeItems, each.data()});
      ends.push_back(static_cast<uint32_t>(calls.size()));
    }
    for (int round = 0; round < 10; ++round) ASSERT_EQ(pool->run({calls, ends}), 0);
    for (auto& each : items)
      for (const uint32_t times : each) ASSERT_EQ(times, 200u);
  }
}

/// The last of four workers has no CPU for half of the time, unless it is told that the rival is gone.
std::atomic<bool> rivalGone{false};
uint64_t fakeWait(uint32_t worker) {
  static std::atomic<uint64_t> waited{0};
  const auto now = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  if (worker != 3) return 0;
  if (!rivalGone) waited = now / 2;
  return waited;
}

TEST(WorkerPool, WhoHasNoCpuRestsAndReturns) {
  rivalGone = false;
  auto pool = makePool(4, {.pin = false, .watchNanoseconds = 2'000'000, .waited = fakeWait});
  constexpr uint32_t kItems = 1000;
  std::vector<uint32_t> items(kItems);
  const uint64_t args[] = {reinterpret_cast<uint64_t>(items.data()), kItems};
  const KernelCall calls[] = {{countItems, args}, {countItems, args}};
  const uint32_t ends[] = {1, 2};
  uint32_t walks = 0;
  const auto walkUntil = [&](uint32_t active) {
    const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (pool->active() != active && std::chrono::steady_clock::now() < late) {
      ASSERT_EQ(pool->run({calls, ends, /*elastic=*/true}), 0);
      // Those who rest are called for each walk that is for all.
      if (walks++ % 7 == 0) {
        ASSERT_EQ(pool->run({calls, ends}), 0);
        ++walks;
      }
    }
  };
  for (int round = 0; round < 2; ++round) {
    walkUntil(3);
    ASSERT_EQ(pool->active(), 3u);
    walkUntil(4);
    ASSERT_EQ(pool->active(), 4u) << "for a probe";
  }
  walkUntil(3);
  rivalGone = true;
  walkUntil(4);
  for (int i = 0; i < 200; ++i, ++walks) ASSERT_EQ(pool->run({calls, ends, /*elastic=*/true}), 0);
  EXPECT_EQ(pool->active(), 4u) << "the rival is gone";
  for (const uint32_t count : items) ASSERT_EQ(count, 2 * walks);
  WalkTimes times;
  ASSERT_EQ(pool->run({calls, ends, /*elastic=*/true}, &times), 0);
  for (const auto& starts : times.starts) EXPECT_GT(starts[0], 0u) << "all take part in what is measured";
}

TEST(WorkerPool, APoolEndsWhileOneRests) {
  rivalGone = false;
  auto pool = makePool(4, {.pin = false, .watchNanoseconds = 1'000'000, .waited = fakeWait});
  Lines lines;
  const KernelCall call{count, lines.args};
  const uint32_t end = 1;
  const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (pool->active() == 4 && std::chrono::steady_clock::now() < late)
    ASSERT_EQ(pool->run({std::span(&call, 1), std::span(&end, 1), /*elastic=*/true}), 0);
  EXPECT_EQ(pool->active(), 3u);
  pool.reset();
  EXPECT_LE(lines.values[3 * 8], lines.values[0]);
}

/// Worker 0 waits for its CPU, wherever it goes.
uint64_t firstWaits(uint32_t worker) {
  return worker == 0 ? static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) / 2 : 0;
}

/// CPUs of the workers after the pool has looked often enough to have changed them.
std::vector<int> cpusAfterLooks(WorkerPool& pool) {
  const std::vector<int> before(pool.cpus().begin(), pool.cpus().end());
  Lines lines;
  const KernelCall call{count, lines.args};
  const uint32_t end = 1;
  const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::equal(before.begin(), before.end(), pool.cpus().begin()) && std::chrono::steady_clock::now() < late)
    EXPECT_EQ(pool.run({std::span(&call, 1), std::span(&end, 1), /*elastic=*/true}), 0);
  return {pool.cpus().begin(), pool.cpus().end()};
}

void expectCallerOn(int cpu) {
  cpu_set_t mask;
  sched_getaffinity(0, sizeof mask, &mask);
  EXPECT_EQ(CPU_COUNT(&mask), 1);
  EXPECT_TRUE(CPU_ISSET(cpu, &mask));
}

TEST(WorkerPool, AWorkerMovesToACoreToSpare) {
  const Placement one = placeHere(1);
  if (one.spare.empty()) GTEST_SKIP() << "there is one core";
  auto pool = makePool(1, {.watchNanoseconds = 100'000, .waited = firstWaits});
  const auto cpus = cpusAfterLooks(*pool);
  ASSERT_EQ(cpus.size(), 1u);
  EXPECT_NE(std::find(one.spare.begin(), one.spare.end(), cpus[0]), one.spare.end());
  expectCallerOn(cpus[0]);
}

TEST(WorkerPool, WithoutOneTheLastWorkerGivesItsCpuAndRests) {
  const Placement all = placeHere(static_cast<int>(allowedCpus().size()));
  if (all.workers.size() < 3) GTEST_SKIP() << "two workers both stay";
  auto pool = makePool(static_cast<int>(all.workers.size()), {.watchNanoseconds = 1'000'000, .waited = firstWaits});
  auto expected = all.cpuIds();
  std::swap(expected.front(), expected.back());
  EXPECT_EQ(cpusAfterLooks(*pool), expected);
  expectCallerOn(expected[0]);
}

TEST(WorkerPool, BarrierCost) {
  int32_t (*nothing)(const uint64_t*, uint32_t, uint32_t, std::atomic<uint32_t>*) =
      [](const uint64_t*, uint32_t, uint32_t, std::atomic<uint32_t>*) { return 0; };
  for (int threads : {1, 2, 3, 4}) {
    auto pool = makePool(threads);
    std::vector<KernelCall> calls(2000, KernelCall{nothing, nullptr});
    std::vector<uint32_t> ends(calls.size());
    for (uint32_t i = 0; i < ends.size(); ++i) ends[i] = i + 1;
    double best = 1e9;
    for (int round = 0; round < 15; ++round) {
      const auto start = std::chrono::steady_clock::now();
      ASSERT_EQ(pool->run({calls, ends}), 0);
      const std::chrono::duration<double, std::nano> passed = std::chrono::steady_clock::now() - start;
      best = std::min(best, passed.count() / static_cast<double>(calls.size()));
    }
    std::printf("barrier, %d workers: %.0f ns a phase\n", threads, best);
    RecordProperty("barrier_ns_" + std::to_string(threads), static_cast<int>(best));
    EXPECT_LT(best, 1e6);  // a barrier that always sleeps would cost more
  }
}

}  // namespace
}  // namespace llmc::rt
