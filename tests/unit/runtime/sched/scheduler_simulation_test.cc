// Random load over random configurations of every policy; a failing run names its seed.
//
// LLMC_SIM_REQUESTS sets the number of requests in all (default a million; fewer under sanitizers), LLMC_SIM_SEED runs
// one seed alone.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "simulated_load.h"
#include "tests/unit/sanitized.h"

namespace llmc::rt {
namespace {

constexpr uint32_t kRequestsPerSeed = 200;
constexpr uint64_t kRequests = kSanitized ? 100'000 : 1'000'000;

void print(const LoadTotals& t, uint64_t seeds) {
  std::printf(
      "%llu requests of %llu seeds: %llu steps, %llu tokens, %llu refused, %llu cancelled, %llu expired, %llu failed, "
      "%llu preempted (%llu by swap), %llu steps planned ahead, of them %llu tokens for nothing and %llu again, %llu "
      "tokens from the prefix cache, %llu pages evicted, longest wait %.0f%% of its bound, %llu tokens of exact "
      "sequences, %llu steps of these and others, %llu choices beside their leader, %llu queued\n",
      (unsigned long long)t.requests, (unsigned long long)seeds, (unsigned long long)t.steps,
      (unsigned long long)t.tokens, (unsigned long long)t.refused, (unsigned long long)t.cancelled,
      (unsigned long long)t.expired, (unsigned long long)t.failed, (unsigned long long)t.preemptions,
      (unsigned long long)t.swaps, (unsigned long long)t.ahead, (unsigned long long)t.dropped,
      (unsigned long long)t.again, (unsigned long long)t.hits, (unsigned long long)t.evicted, 100 * t.longestWaitShare,
      (unsigned long long)t.exactTokens, (unsigned long long)t.mixedSteps, (unsigned long long)t.together,
      (unsigned long long)t.queued);
}

TEST(SchedulerSimulation, HoldsItsInvariantsUnderRandomLoad) {
  const char* wish = std::getenv("LLMC_SIM_REQUESTS");
  const uint64_t requests = wish ? std::strtoull(wish, nullptr, 10) : kRequests;
  const char* one = std::getenv("LLMC_SIM_SEED");
  LoadTotals totals;
  uint64_t seeds = 0;
  for (uint64_t seed = one ? std::strtoull(one, nullptr, 10) : 1; totals.requests < requests; ++seed) {
    const std::string failure = SimulatedLoad(seed).run(kRequestsPerSeed, totals);
    ++seeds;
    ASSERT_EQ(failure, "");
    if (one) break;
  }
  print(totals, seeds);
  if (one || requests < 10000) return;
  // A simulation that never gets there proves nothing.
  EXPECT_GT(totals.preemptions, 100u);
  EXPECT_GT(totals.swaps, 20u);
  EXPECT_GT(totals.failed, 100u);
  EXPECT_GT(totals.cancelled, 100u);
  EXPECT_GT(totals.expired, 20u);
  EXPECT_GT(totals.hits, 1000u);
  EXPECT_GT(totals.evicted, 100u);
  EXPECT_GT(totals.refused, 100u);
  EXPECT_GT(totals.exactTokens, 10000u);
  EXPECT_GT(totals.mixedSteps, 1000u);
  EXPECT_GT(totals.ahead, 1000u);
  EXPECT_GT(totals.dropped, 100u);
  EXPECT_GT(totals.again, 20u);
  EXPECT_GT(totals.together, 100u);
  EXPECT_GT(totals.queued, 100u);
}

TEST(SchedulerSimulation, ASeedReplaysExactly) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    LoadTotals first, second;
    ASSERT_EQ(SimulatedLoad(seed).run(kRequestsPerSeed, first), "");
    ASSERT_EQ(SimulatedLoad(seed).run(kRequestsPerSeed, second), "");
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_EQ(first.tokens, second.tokens);
    EXPECT_EQ(first.hits, second.hits);
    EXPECT_EQ(first.preemptions, second.preemptions);
  }
}

}  // namespace
}  // namespace llmc::rt
