// Decisions first, arrays last: a sequence that loses its place while the step is planned leaves no trace in it.
#include "runtime/sched/step_planner.h"

#include <algorithm>
#include <limits>

namespace llmc::rt {

void StepPlanner::Lists::reserve(size_t most) {
  batch.reserve(most);
  entries.reserve(most);
  samples.reserve(most);
  planned.reserve(most);
  sampled.reserve(most);
  tokens.reserve(most);
}

void StepPlanner::Lists::clear() {
  batch.clear();
  entries.clear();
  samples.clear();
  planned.clear();
  sampled.clear();
  tokens.clear();
}

void StepPlanner::Lists::show(StepPlan& plan) const {
  plan.batch = batch;
  plan.sequences = entries;
  plan.samples = samples;
}

StepPlanner::StepPlanner(SchedulerState& state) : state_(&state), admission_(state) {
  for (Lists& lists : lists_) lists.reserve(state.config.limits.maxSequences);
}

/// A page to write the next token into.
bool StepPlanner::findRoom(Sequence& sequence) {
  PageTables& pages = state_->pages;
  if (!pages.grow(sequence.pages, pagesOf(static_cast<uint32_t>(sequence.tokens.size())))) return false;
  return !pages.copyNeeded(sequence.pages, sequence.computed) ||
         pages.copyForWrite(sequence.pages, sequence.computed, state_->moves);
}

/// True when somebody had to give up its place.
bool StepPlanner::growRunning() {
  auto& running = state_->running;
  bool preempted = false;
  for (size_t i = 0; i < running.size();) {
    Sequence& sequence = *running[i];
    if (sequence.state != SequenceState::kRunning || sequence.request->paused || findRoom(sequence)) {
      ++i;
      continue;
    }
    Sequence* worst = state_->worstRunning();
    const auto place = static_cast<size_t>(std::find(running.begin(), running.end(), worst) - running.begin());
    state_->preempt(*worst, Cause::kNoPages);
    preempted = true;
    if (place < i) --i;
  }
  return preempted;
}

uint32_t StepPlanner::promptsThatMayRun() const {
  const size_t places = state_->config.limits.maxSequences - state_->running.size() - state_->reservedSlots;
  size_t prompts = std::min(places, state_->waiting.size());
  for (const Sequence* sequence : state_->running)
    prompts += sequence->state == SequenceState::kPrefilling && !sequence->request->paused;
  return static_cast<uint32_t>(prompts);
}

StepBudget StepPlanner::assignRunning() {
  const StepLimits& limits = state_->config.limits;
  StepBudget budget{limits.maxTokens, limits.maxRows, std::numeric_limits<uint32_t>::max()};
  const uint32_t prompts = promptsThatMayRun();
  uint32_t decodes = 0;
  for (Sequence* sequence : state_->running) {
    sequence->scheduled = 0;
    if (sequence->state != SequenceState::kRunning || sequence->request->paused) continue;
    admission_.assignChunk(*sequence, budget);
    ++decodes;
  }
  if (const uint32_t paced = state_->pace.promptTokens(decodes, prompts); paced > 0) budget.prefill = paced;
  if (decodes > 0 && state_->config.prefillTokens > 0)
    budget.prefill = std::min(budget.prefill, state_->config.prefillTokens);
  for (Sequence* sequence : state_->running)
    if (sequence->state == SequenceState::kPrefilling && !sequence->request->paused)
      admission_.assignChunk(*sequence, budget);
  return budget;
}

void StepPlanner::emit(Sequence& sequence, StepPlan& plan, Lists& lists) {
  const bool complete = sequence.remaining() == sequence.scheduled;
  const bool all = sequence.computed < sequence.rowsWanted;
  const uint32_t rows = all ? sequence.scheduled : complete ? 1 : 0;
  lists.batch.push_back({std::span(sequence.tokens).subspan(sequence.computed, sequence.scheduled),
                         state_->pages.pages(sequence.pages),
                         sequence.computed,
                         all        ? RowChoice::kAll
                         : complete ? RowChoice::kLast
                                    : RowChoice::kNone,
                         {},
                         sequence.exact && (!state_->chunksFit || sequence.computed >= sequence.promptTokens),
                         sequence.logits,
                         sequence.exact});
  lists.entries.push_back({sequence.request->id, sequence.choice, plan.rows});
  lists.planned.push_back(&sequence);
  plan.rows += rows;
  plan.tokens += sequence.scheduled;
  if (sequence.state == SequenceState::kPrefilling) plan.prefillTokens += sequence.scheduled;
  if (!complete) return;
  sequence.row = plan.rows - 1;
  const auto length = static_cast<uint32_t>(sequence.tokens.size());
  const auto sample = [&](Sequence& choice) {
    lists.samples.push_back({sequence.request->id, choice.choice, sequence.row, length, length - choice.promptTokens,
                             sequence.request->owner});
    lists.sampled.push_back(&choice);
  };
  sample(sequence);
  if (!sequence.leads()) return;
  // Those that SchedulerState::fork() will find a place for.
  uint32_t places = sequence.reserved;
  for (Sequence* choice : sequence.request->choices) {
    if (choice == &sequence || choice->state == SequenceState::kFinished || places == 0) continue;
    --places;
    sample(*choice);
  }
}

void StepPlanner::fill(StepPlan& plan, Lists& lists) {
  plan = StepPlan{};
  plan.step = state_->step;
  for (const bool decodes : {true, false})
    for (Sequence* sequence : state_->running)
      if (sequence->scheduled > 0 && (sequence->state == SequenceState::kRunning) == decodes)
        emit(*sequence, plan, lists);
  plan.moves = state_->moves;
  lists.show(plan);
}

void StepPlanner::plan(StepPlan& plan, uint32_t list) {
  lists_[list].clear();
  // Room that was just made is for those who lacked it.
  const bool tight = growRunning();
  StepBudget budget = assignRunning();
  if (!tight) admission_.run(budget);
  fill(plan, lists_[list]);
}

}  // namespace llmc::rt
