// Steps a scheduler by hand: every sample gets a token of the test's choice, time moves by one second a step.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/sched/scheduler.h"

namespace llmc::rt {

/// 4 sequences of up to 128 tokens, 64 tokens a step, 32 pages.
inline SchedulerConfig smallConfig() {
  SchedulerConfig config;
  config.limits.maxSequences = 4;
  config.limits.maxTokens = 64;
  config.limits.maxRows = 16;
  config.limits.maxContext = 128;
  config.pages = 32;
  config.maxQueue = 16;
  return config;
}

/// A prompt of `length` tokens; prompts of different `seed` share no page.
inline RequestSpec requestOf(RequestId id, uint32_t length, uint32_t maxNew = 4, int32_t seed = -1) {
  RequestSpec spec;
  spec.id = id;
  spec.prompt.resize(length);
  std::iota(spec.prompt.begin(), spec.prompt.end(), (seed < 0 ? static_cast<int32_t>(id) : seed) * 1000);
  spec.maxNewTokens = maxNew;
  return spec;
}

struct Driver {
  explicit Driver(const SchedulerConfig& config) : scheduler(Scheduler::create(config).take()) {}

  Status submit(RequestSpec spec) { return scheduler->submit(std::move(spec), now); }
  SequenceState state(RequestId id, uint32_t choice = 0) const { return scheduler->view(id, choice)->state; }
  /// Tokens of a request's choice in the current plan.
  uint32_t planned(RequestId id, uint32_t choice = 0) const {
    for (size_t i = 0; i < plan.batch.size(); ++i)
      if (plan.sequences[i].request == id && plan.sequences[i].choice == choice)
        return static_cast<uint32_t>(plan.batch[i].tokens.size());
    return 0;
  }
  const StepPlan& begin() { return plan = scheduler->plan(now); }
  void finish(std::vector<uint32_t> faults = {}) {
    std::vector<SampleOutcome> outcomes;
    for (const PlannedSample& sample : plan.samples)
      outcomes.push_back(outcome ? outcome(sample)
                                 : SampleOutcome{static_cast<int32_t>(sample.position), Verdict::kContinue});
    now += 1;
    if (!plan.empty()) scheduler->complete(outcomes, faults, now);
    const Status status = scheduler->check();
    EXPECT_TRUE(status) << status.toString();
    for (const FinishedSequence& end : scheduler->takeFinished()) ends.push_back(end);
  }
  void step() {
    begin();
    finish();
  }
  void steps(int count) {
    while (count-- > 0) step();
  }
  /// How a request's choice ended; kNone: it did not.
  EndReason reason(RequestId id, uint32_t choice = 0) const {
    for (const FinishedSequence& end : ends)
      if (end.request == id && end.choice == choice) return end.reason;
    return EndReason::kNone;
  }
  bool traced(Decision decision, RequestId id) const {
    const DecisionTrace& trace = scheduler->trace();
    for (uint64_t i = trace.firstKept(); i < trace.total(); ++i)
      if (trace.at(i).decision == decision && trace.at(i).request == id) return true;
    return false;
  }
  /// Pages that no sequence holds.
  uint32_t unownedPages() const { return scheduler->stats().freePages + scheduler->stats().idlePages; }

  std::unique_ptr<Scheduler> scheduler;
  StepPlan plan;
  double now = 0;
  std::function<SampleOutcome(const PlannedSample&)> outcome;
  std::vector<FinishedSequence> ends;
};

}  // namespace llmc::rt
