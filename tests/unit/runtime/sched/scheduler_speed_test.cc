// What a step costs beside the model: plan, batch arrays and results of 256 sequences, and that it allocates nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "runtime/exec/batch_builder.h"
#include "scheduler_driver.h"

namespace {

uint64_t allocations = 0;

}  // namespace

void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace llmc::rt {
namespace {

constexpr uint32_t kSequences = 256;
// Far above the time of any machine without sanitizers (target 50 us): catches work that grows with the square.
constexpr double kBoundMicroseconds = 20000;

SchedulerConfig servingConfig(Policy policy) {
  SchedulerConfig config;
  config.limits.maxSequences = config.limits.maxRows = kSequences;
  config.limits.maxTokens = 2048;
  config.limits.maxContext = 4096;
  config.pages = 40000;
  config.policy = policy;
  config.mlfqQuantum = 1 << 16;  // nobody sinks: the queue is looked through in every step, and nothing changes
  return config;
}

struct Measured {
  double bestMicroseconds = 1e9, meanMicroseconds = 0, planMicroseconds = 1e9;
  uint64_t allocations = 0;
};

/// `waiting` requests in the queue beside 256 that decode, each with a context of about `context` tokens.
Measured measure(Policy policy, uint32_t context, uint32_t waiting) {
  const SchedulerConfig config = servingConfig(policy);
  Driver d(config);
  BatchBuilder builder(config.limits, 1 << 20, config.pages);
  for (RequestId id = 1; id <= kSequences; ++id) EXPECT_TRUE(d.submit(requestOf(id, context, 2000)));
  while (d.begin().prefillTokens > 0) d.finish();
  d.finish();
  for (RequestId id = 1000; id < 1000 + waiting; ++id) EXPECT_TRUE(d.submit(requestOf(id, context, 2000)));
  std::vector<SampleOutcome> outcomes(kSequences, SampleOutcome{7, Verdict::kContinue});
  Measured result;
  constexpr int kSteps = 400;
  const uint64_t before = allocations;
  for (int i = 0; i < kSteps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const StepPlan& plan = d.scheduler->plan(d.now);
    const auto planned = std::chrono::steady_clock::now();
    const bool built = builder.build(plan.batch).isOk();
    d.scheduler->complete(outcomes, {}, d.now);
    const std::chrono::duration<double, std::micro> all = std::chrono::steady_clock::now() - start;
    const std::chrono::duration<double, std::micro> first = planned - start;
    if (!built || plan.batch.size() != kSequences) ADD_FAILURE() << "not the steady state";
    result.bestMicroseconds = std::min(result.bestMicroseconds, all.count());
    result.planMicroseconds = std::min(result.planMicroseconds, first.count());
    result.meanMicroseconds += all.count() / kSteps;
  }
  result.allocations = allocations - before;
  return result;
}

TEST(SchedulerSpeed, OfAStepWith256Sequences) {
  struct Case {
    Policy policy;
    uint32_t context, waiting;
    const char* name;
  };
  for (const Case& c :
       {Case{Policy::kFcfs, 100, 0, "fcfs, context 100"}, Case{Policy::kFcfs, 1000, 0, "fcfs, context 1000"},
        Case{Policy::kFcfs, 1000, 1000, "fcfs, context 1000, 1000 waiting"},
        Case{Policy::kMlfq, 1000, 1000, "mlfq, context 1000, 1000 waiting"}}) {
    const Measured m = measure(c.policy, c.context, c.waiting);
    std::printf(
        "scheduler, 256 sequences, %s: %.1f us a step with batch preparation (mean %.1f), plan alone %.1f us, "
        "%llu allocations\n",
        c.name, m.bestMicroseconds, m.meanMicroseconds, m.planMicroseconds,
        static_cast<unsigned long long>(m.allocations));
    EXPECT_LT(m.bestMicroseconds, kBoundMicroseconds) << c.name;
    EXPECT_EQ(m.allocations, 0u) << c.name;
  }
}

}  // namespace
}  // namespace llmc::rt
