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

  /// Into list `list`, 0 or 1.
  void plan(StepPlan& plan, uint32_t list);
  /// The step after the one in list `under`, which runs: one token more of each of its sequences that nothing ends as
  /// far as is known. False, and nothing changed, where that is not what plan() would make of it: somebody could enter
  /// or goes on with a prompt, a page is missing, a group parts.
  bool planAhead(StepPlan& plan, uint32_t under);
  /// Once the step in list `under` is completed: what has ended leaves the other list, the rest is scheduled by it.
  void promote(uint32_t under);

  /// Whose each entry of a list's batch and samples is; null for those that promote() took out.
  const std::vector<Sequence*>& planned(uint32_t list) const { return lists_[list].planned; }
  const std::vector<Sequence*>& sampled(uint32_t list) const { return lists_[list].sampled; }

 private:
  /// The arrays of one plan.
  struct Lists {
    std::vector<StepSequence> batch;
    std::vector<PlannedSequence> entries;
    std::vector<PlannedSample> samples;
    std::vector<Sequence*> planned, sampled;
    std::vector<int32_t> tokens;  ///< of a step planned ahead, one a sequence
    void reserve(size_t most);
    void clear();
    void show(StepPlan& plan) const;
  };

  bool findRoom(Sequence& sequence);
  bool growRunning();
  /// Sequences that compute their prompt, and those for which there is a place to begin.
  uint32_t promptsThatMayRun() const;
  StepBudget assignRunning();
  void emit(Sequence& sequence, StepPlan& plan, Lists& lists);
  void fill(StepPlan& plan, Lists& lists);
  bool mayPlanAhead();
  void emitAhead(Sequence& sequence, StepPlan& plan, Lists& lists);

  SchedulerState* state_;
  Admission admission_;
  Lists lists_[2];
};

}  // namespace llmc::rt
