// The step after one that runs, whose tokens nobody knows yet.
#include <algorithm>
#include <cassert>

#include "runtime/sched/step_planner.h"

namespace llmc::rt {
namespace {

/// Of a sequence in the step that runs: whether the next one has a token of it, as far as is known.
bool goesOn(const Sequence& sequence) {
  return sequence.doomed == EndReason::kNone && !sequence.request->paused &&
         sequence.tokens.size() + 1 < sequence.maxTokens;
}

}  // namespace

bool StepPlanner::mayPlanAhead() {
  const SchedulerState& state = *state_;
  uint32_t going = 0, pages = 0;
  bool allGoOn = true;
  for (const Sequence* sequence : state.running) {
    const Sequence& s = *sequence;
    // Left out of the step that runs. Those that are paused stay out of the next one too.
    if (s.scheduled == 0 && !s.request->paused) return false;
    if (s.scheduled == 0) continue;
    if (s.leads() || s.remaining() != s.scheduled || s.rowsWanted > 0 || s.again) return false;
    if (!goesOn(s)) {
      allGoOn = false;
      continue;
    }
    const auto length = static_cast<uint32_t>(s.tokens.size());
    pages += std::max(pagesOf(length + 1), s.pages.count) - s.pages.count;
    ++going;
  }
  if (going == 0 || going > state.config.limits.maxRows || pages > state.pages.available()) return false;
  // Who waits may take a place that is known to come free.
  return state.waiting.empty() || (allGoOn && admission_.closed());
}

void StepPlanner::emitAhead(Sequence& sequence, StepPlan& plan, Lists& lists) {
  const auto length = static_cast<uint32_t>(sequence.tokens.size());
  // Its next page is new, or the step that runs writes to it and made it its own; pages are shared by plan() alone.
  assert(!state_->pages.copyNeeded(sequence.pages, length));
  // There are as many pages as mayPlanAhead() has counted.
  (void)state_->pages.grow(sequence.pages, pagesOf(length + 1));
  lists.tokens.push_back(-1 - static_cast<int32_t>(sequence.row));
  lists.batch.push_back({std::span(lists.tokens).last(1),
                         state_->pages.pages(sequence.pages),
                         length,
                         RowChoice::kLast,
                         {},
                         sequence.exact,
                         sequence.logits,
                         sequence.exact});
  lists.entries.push_back({sequence.request->id, sequence.choice, plan.rows});
  lists.planned.push_back(&sequence);
  sequence.row = plan.rows;
  lists.samples.push_back({sequence.request->id, sequence.choice, sequence.row, length + 1,
                           length + 1 - sequence.promptTokens, sequence.request->owner});
  lists.sampled.push_back(&sequence);
  ++plan.rows;
  ++plan.tokens;
}

bool StepPlanner::planAhead(StepPlan& plan, uint32_t under) {
  if (!mayPlanAhead()) return false;
  Lists& lists = lists_[1 - under];
  lists.clear();
  plan = StepPlan{};
  plan.step = ++state_->step;
  for (Sequence* sequence : state_->running)
    if (sequence->scheduled > 0 && goesOn(*sequence)) emitAhead(*sequence, plan, lists);
  lists.show(plan);
  return true;
}

void StepPlanner::promote(uint32_t under) {
  Lists& lists = lists_[1 - under];
  // One sample for each sequence: the arrays are parallel.
  for (size_t i = 0; i < lists.planned.size(); ++i) {
    Sequence* sequence = lists.planned[i];
    // Not computed: its token comes again in another step.
    const bool late = sequence->computed < lists.batch[i].start;
    if (sequence->state == SequenceState::kRunning && !late) {
      sequence->scheduled = 1;
      continue;
    }
    lists.planned[i] = lists.sampled[i] = nullptr;
    lists.samples[i].dropped = true;
  }
}

}  // namespace llmc::rt
