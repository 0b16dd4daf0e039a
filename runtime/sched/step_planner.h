// Plans one step: pages for what runs, tokens by the budget, the arrays of the plan. Internal to runtime/sched.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/sched/admission.h"
#include "runtime/sched/scheduler_state.h"
#include "runtime/sched/step_plan.h"

namespace llmc::rt {

/// Order within a step: every running sequence gets its token, then prompts that have begun go on, then new ones enter.
class StepPlanner {
 public:
  explicit StepPlanner(SchedulerState& state);

  void plan(StepPlan& plan);
  /// Whose each entry of the plan's batch and samples is.
  const std::vector<Sequence*>& planned() const { return planned_; }
  const std::vector<Sequence*>& sampled() const { return sampled_; }

 private:
  bool findRoom(Sequence& sequence);
  bool growRunning();
  /// Sequences that compute their prompt, and those for which there is a place to begin.
  uint32_t promptsThatMayRun() const;
  StepBudget assignRunning();
  void emit(Sequence& sequence, StepPlan& plan);
  void fill(StepPlan& plan);

  SchedulerState* state_;
  Admission admission_;
  std::vector<StepSequence> batch_;
  std::vector<PlannedSequence> entries_;
  std::vector<PlannedSample> samples_;
  std::vector<Sequence*> planned_, sampled_;
};

}  // namespace llmc::rt
