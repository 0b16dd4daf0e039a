// What all parts of the scheduler work on, and the few changes they share. Internal to runtime/sched.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "runtime/sched/decision_trace.h"
#include "runtime/sched/key_ledger.h"
#include "runtime/sched/page_tables.h"
#include "runtime/sched/ranking.h"
#include "runtime/sched/sequence.h"
#include "runtime/sched/step_pace.h"

namespace llmc::rt {

struct FinishedSequence {
  RequestId request = 0;
  uint32_t choice = 0;
  EndReason reason = EndReason::kNone;
  bool last = false;  ///< no choice of the request is left: it can be collected
};

/// Invariants: a sequence that is not finished is in `running` if it holds device pages, in `waiting` if it is in the
/// queue, or in neither while its group's leader computes the prompt. running.size() + reservedSlots <= maxSequences.
struct SchedulerState {
  explicit SchedulerState(const SchedulerConfig& configuration);

  /// Gives back its pages and its place in the queue or among the running. Requires: not finished.
  void finish(Sequence& sequence, EndReason reason);
  /// Out of `running`, pages given back or moved to the host, into the queue.
  void preempt(Sequence& sequence, Cause cause);
  /// Among the running. Of the slots and pages that are free those are reserved that its group will need.
  void run(Sequence& sequence);
  /// The choices that have a place get the prompt's pages, the others enter the queue. Requires: leader.leads(), its
  /// prompt is computed.
  void fork(Sequence& leader);
  /// The running sequence that is the first to give up its place: paused ones, then the worst rank. Null: none runs.
  Sequence* worstRunning() const;
  /// How many of the first `tokens` tokens of a sequence may be shared with others.
  uint32_t shareable(const Sequence& sequence, uint32_t tokens) const {
    return sequence.exact ? std::min(tokens, sequence.promptTokens) : tokens;
  }
  void note(const Sequence& sequence, Decision decision, uint32_t first, uint32_t second, Cause cause = Cause::kNone);

  const SchedulerConfig config;
  const bool chunksFit;  ///< roomForChunks(config)
  double now = 0;
  uint64_t step = 0;
  std::deque<Sequence> records;        ///< addresses are stable
  std::vector<Sequence*> freeRecords;  ///< of collected requests
  std::unordered_map<RequestId, Request> requests;
  std::vector<Sequence*> running;  ///< in order of admission
  std::vector<Sequence*> waiting;  ///< in no order
  uint32_t reservedSlots = 0;      ///< for choices whose leader computes the prompt
  PageTables pages;
  Ranking ranking;
  KeyLedger keys;
  StepPace pace;
  DecisionTrace trace;
  std::vector<PageMove> moves;             ///< of the next or current plan
  std::vector<FinishedSequence> finished;  ///< not reported yet
  uint64_t preemptions = 0, swapOuts = 0, admissions = 0, recomputedTokens = 0;

 private:
  void leaveRunning(Sequence& sequence);
  void follow(const Sequence& leader, Sequence& choice);
  void enqueue(Sequence& choice);
};

}  // namespace llmc::rt
