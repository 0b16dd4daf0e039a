// Continuous batching as pure logic: decides each step which tokens of which sequences run on which pages.
//
// No I/O, no threads, no model, no clock: times are seconds that the caller passes in and that never go back. The loop
// is
//   submit(), cancel(), ... ; plan(); carry out moves, run the batch, sample; complete(); takeFinished(); collect().
// Where a device keeps the tokens of a step, planAhead() gives the next one before complete() has them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sched/scheduler_config.h"
#include "runtime/sched/scheduler_state.h"
#include "runtime/sched/state_check.h"
#include "runtime/sched/step_plan.h"
#include "runtime/sched/step_planner.h"

namespace llmc::rt {

struct SchedulerStats {
  uint32_t waiting = 0, running = 0, swapped = 0;  ///< sequences; `waiting` has the preempted and the swapped too
  uint32_t deferred = 0;  ///< of `waiting`: paused, held by their key's bound, or waiting for another's prefix
  uint32_t freePages = 0, idlePages = 0, totalPages = 0, freeHostPages = 0;
  uint64_t steps = 0, preemptions = 0, swapOuts = 0, recomputedTokens = 0;
  PrefixStats prefix;
};

/// What may be read of a sequence; the span is valid until the next call that changes the scheduler.
struct SequenceView {
  SequenceState state = SequenceState::kWaiting;
  EndReason end = EndReason::kNone;
  std::span<const int32_t> tokens;  ///< prompt, then generated
  uint32_t promptTokens = 0;
  uint32_t cachedTokens = 0;  ///< of the prompt, found in the prefix cache
  uint32_t computed = 0;
  double arrival = 0, admittedAt = -1, firstTokenAt = -1;  ///< seconds on the caller's clock; -1: not yet
  uint32_t preemptions = 0;
};

/// One thread. plan() and complete() alternate, apart from planAhead(); all other calls may come between any two of
/// them, also while a step runs. Neither allocates while the same sequences decode on; submit() does, and swapping.
class Scheduler {
 public:
  /// Error RT_SCHEDULER (64): see checkConfig().
  static Result<std::unique_ptr<Scheduler>> create(const SchedulerConfig& config);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Puts a request in the queue. Errors, after which nothing has changed: RT_QUEUE_FULL (69): later, see
  /// retryAfterSeconds(); RT_CONTEXT (65): the prompt leaves no room for a token; RT_REQUEST (64): id in use, no
  /// prompt, no tokens or no answers wanted.
  Status submit(RequestSpec spec, double now);
  /// Ends all choices of a request in whatever state they are; those in the running step end when it completes. False:
  /// unknown or finished, nothing changed.
  bool cancel(RequestId request, double now);
  /// Ends one choice that has begun to generate, for a stop string found later than complete(). False as for cancel().
  bool stop(RequestId request, uint32_t choice, double now);
  /// A paused request is not scheduled and first to lose its pages: its reader is slow. False: unknown.
  bool setPaused(RequestId request, bool paused);
  /// Forgets a request. False: unknown, or not all choices are finished.
  bool collect(RequestId request);

  /// The next step. Requires: complete() was called for every plan that was not empty.
  const StepPlan& plan(double now);
  /// The step after the one plan that was not completed, with tokens that are still unknown and no moves: every
  /// sequence of that one goes on by a token. Those of which complete() says otherwise are then PlannedSample::dropped,
  /// and their results ignored. Null, and nothing planned, where the next step cannot be known to be like that. The
  /// results of two plans are completed in the order of the plans. Null too unless just one plan was not completed.
  const StepPlan* planAhead(double now);
  /// What came of the first plan that was not completed: `outcomes` parallel to its samples; `faults` are indices in
  /// its batch, of sequences whose results must not be used (the outcome of such a sample is ignored). Requires: the
  /// plan was not empty.
  void complete(std::span<const SampleOutcome> outcomes, std::span<const uint32_t> faults, double now);
  /// Of the sequence of sample `index` of the plan that was completed last: kNone while it goes on. Until collect() or
  /// the next plan() or planAhead(). Requires: it was not dropped.
  EndReason endOfSample(size_t index) const { return planner_.sampled(1 - current_)[index]->end; }
  /// How often it lost its place. As endOfSample().
  uint32_t preemptionsOfSample(size_t index) const { return planner_.sampled(1 - current_)[index]->preemptions; }
  /// Sequences that ended since the last call. Valid until the next call.
  std::span<const FinishedSequence> takeFinished();

  std::optional<SequenceView> view(RequestId request, uint32_t choice) const;
  /// Seconds until a place in the queue is likely free: waiting requests times the mean time between admissions of
  /// late; 1 to 60, whole.
  uint32_t retryAfterSeconds() const;
  SchedulerStats stats() const;
  /// Device pages from 0 on that some sequence has had.
  uint32_t touchedPages() const { return state_.pages.device().touchedPages(); }
  uint32_t waiting() const { return static_cast<uint32_t>(state_.waiting.size()); }
  /// Places that the next plan will fill from the queue: those who take them do not count against maxQueue. None while
  /// somebody waits in spite of them.
  uint32_t freePlaces() const;
  const DecisionTrace& trace() const { return state_.trace; }
  /// For tests: checkState().
  Status check() const { return checkState(state_); }

 private:
  explicit Scheduler(const SchedulerConfig& config);
  Sequence& newSequence(Request& request, const RequestSpec& spec, double now);
  void end(Sequence& sequence, EndReason reason);
  void expire();
  void commit(Sequence& sequence);
  void fail(Sequence& sequence);
  void append(Sequence& sequence, const SampleOutcome& outcome);
  void learnAdmissionRate();

  SchedulerState state_;
  StepPlanner planner_;
  StepPlan plans_[2];
  double plannedAt_[2] = {};
  bool queued_ = false;    ///< somebody waited when the last plan was made
  uint32_t current_ = 0;   ///< the plan that complete() is next called for, or plan() makes
  uint32_t inFlight_ = 0;  ///< plans that were not completed
  double completedAt_ = 0;
  std::vector<FinishedSequence> reported_;
  uint64_t nextSerial_ = 1;
  double nextDeadline_;  ///< no request ends before
  // Mean seconds between admissions, of the last few.
  double secondsPerAdmission_ = 0, rateSince_ = 0;
  uint64_t rateAdmissions_ = 0;
};

}  // namespace llmc::rt
