// Transitions between queue, device, host and end.
#include "runtime/sched/scheduler_state.h"

#include <algorithm>
#include <cassert>

namespace llmc::rt {
namespace {

void eraseOrdered(std::vector<Sequence*>& list, Sequence& sequence) {
  const auto place = std::find(list.begin(), list.end(), &sequence);
  assert(place != list.end());
  list.erase(place);
}

}  // namespace

SchedulerState::SchedulerState(const SchedulerConfig& configuration)
    : config(configuration),
      chunksFit(roomForChunks(configuration)),
      pages(config.pages, config.hostPages, config.limits.maxSequences, pagesOf(config.limits.maxContext),
            config.prefixCache),
      ranking(config),
      pace(config.promptStretch),
      trace(config.traceEvents) {
  running.reserve(config.limits.maxSequences);
  waiting.reserve(size_t{config.maxQueue} + config.limits.maxSequences);
  // A step copies at most one page a sequence; swaps may need more and then grow it.
  moves.reserve(size_t{config.limits.maxSequences} * 4);
  finished.reserve(size_t{config.limits.maxSequences} * 2);
}

void SchedulerState::note(const Sequence& sequence, Decision decision, uint32_t first, uint32_t second, Cause cause) {
  trace.add({now, step, sequence.request->id, sequence.choice, decision, cause, first, second});
}

void SchedulerState::leaveRunning(Sequence& sequence) {
  eraseOrdered(running, sequence);
  keys.addRunning(sequence.key, -1 - static_cast<int32_t>(sequence.reserved));
  reservedSlots -= sequence.reserved;
  sequence.reserved = 0;
}

void SchedulerState::run(Sequence& sequence) {
  if (const auto place = std::find(waiting.begin(), waiting.end(), &sequence); place != waiting.end()) {
    *place = waiting.back();
    waiting.pop_back();
  }
  running.push_back(&sequence);
  // Beside its prompt each choice wants a page to write to.
  const auto slots = static_cast<uint32_t>(config.limits.maxSequences - running.size() - reservedSlots);
  const uint32_t spare = pages.available() - std::min(pages.available(), config.reservePages);
  sequence.reserved = std::min({sequence.followers(), slots, spare});
  keys.addRunning(sequence.key, 1 + static_cast<int32_t>(sequence.reserved));
  reservedSlots += sequence.reserved;
}

void SchedulerState::finish(Sequence& sequence, EndReason reason) {
  assert(sequence.state != SequenceState::kFinished);
  if (sequence.holdsDevice()) {
    leaveRunning(sequence);
  } else if (const auto place = std::find(waiting.begin(), waiting.end(), &sequence); place != waiting.end()) {
    *place = waiting.back();
    waiting.pop_back();
  }
  if (reason == EndReason::kFailed)
    pages.closeDoubtful(sequence.pages, moves);
  else if (reason == EndReason::kCancelled || reason == EndReason::kDeadline)
    pages.closeAborted(sequence.pages, {sequence.tokens, sequence.keys, sequence.salt});
  else
    pages.close(sequence.pages);
  sequence.scheduled = 0;
  sequence.state = SequenceState::kFinished;
  sequence.end = reason;
  sequence.doomed = EndReason::kNone;
  Request& request = *sequence.request;
  --request.unfinished;
  finished.push_back({request.id, sequence.choice, reason, request.unfinished == 0});
  note(sequence, Decision::kFinished, static_cast<uint32_t>(reason),
       static_cast<uint32_t>(sequence.tokens.size()) - sequence.promptTokens);
}

void SchedulerState::preempt(Sequence& sequence, Cause cause) {
  const auto count = sequence.pages.count;
  leaveRunning(sequence);
  ++preemptions;
  ++sequence.preemptions;
  // A prompt that is not finished has produced nothing yet; computing it again is cheaper than two copies.
  if (config.preempt == PreemptMode::kSwap && sequence.state == SequenceState::kRunning &&
      pages.swapOut(sequence.pages, sequence.computed, moves)) {
    ++swapOuts;
    sequence.state = SequenceState::kSwapped;
    note(sequence, Decision::kPreemptSwap, sequence.computed, static_cast<uint32_t>(sequence.pages.host.size()), cause);
  } else {
    pages.close(sequence.pages);
    note(sequence, Decision::kPreemptRecompute, sequence.computed, count, cause);
    sequence.state = SequenceState::kPreempted;
    recomputedTokens += sequence.computed;
    sequence.computed = 0;
  }
  sequence.scheduled = 0;
  sequence.preemptedStep = step;
  sequence.waitingSince = now;
  waiting.push_back(&sequence);
}

/// It goes on where the leader stands.
void SchedulerState::follow(const Sequence& leader, Sequence& choice) {
  pages.fork(leader.pages, choice.pages, pagesOf(leader.computed));
  choice.computed = leader.computed;
  choice.cachedTokens = leader.cachedTokens;
  choice.level = leader.level;
  choice.admitted = true;
  choice.admittedAt = leader.admittedAt;
  choice.state = SequenceState::kRunning;
  run(choice);
}

/// Like a request that came when its group did: it looks its prompt up in the prefix cache.
void SchedulerState::enqueue(Sequence& choice) {
  choice.waitingSince = now;
  note(choice, Decision::kSubmitted, choice.promptTokens, static_cast<uint32_t>(waiting.size()));
  waiting.push_back(&choice);
}

void SchedulerState::fork(Sequence& leader) {
  Request& request = *leader.request;
  uint32_t places = leader.reserved;
  const uint32_t parted = places + 1;
  keys.addRunning(leader.key, -static_cast<int32_t>(leader.reserved));
  reservedSlots -= leader.reserved;
  leader.reserved = 0;
  request.forked = true;
  for (Sequence* choice : request.choices) {
    if (choice == &leader || choice->state == SequenceState::kFinished) continue;
    choice->aged = leader.aged;
    if (places > 0) {
      --places;
      follow(leader, *choice);
    } else {
      enqueue(*choice);
    }
  }
  note(leader, Decision::kForked, parted, pagesOf(leader.computed));
}

Sequence* SchedulerState::worstRunning() const {
  Sequence* worst = nullptr;
  for (Sequence* candidate : running) {
    if (worst && worst->request->paused != candidate->request->paused) {
      if (candidate->request->paused) worst = candidate;
      continue;
    }
    if (!worst || ranking.running(*worst) < ranking.running(*candidate)) worst = candidate;
  }
  return worst;
}

}  // namespace llmc::rt
