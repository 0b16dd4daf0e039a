// The loop's steps: one is started, the next one perhaps too, then the first is finished and told.
#include <algorithm>
#include <utility>

#include "runtime/sched/step_cost.h"
#include "runtime/serving/engine_loop.h"

namespace llmc::rt::serving {
namespace {

/// Tells the KV pages that the step writes.
void want(MemoryAhead& memory, const StepPlan& plan) {
  for (const PageMove& move : plan.moves)
    if (move.kind != PageMove::Kind::kSwapOut) memory.want(static_cast<uint32_t>(move.to));
  for (const StepSequence& sequence : plan.batch) {
    const auto end = sequence.start + static_cast<uint32_t>(sequence.tokens.size());
    for (uint32_t i = sequence.start / kPageTokens; i < pagesOf(end); ++i)
      memory.want(static_cast<uint32_t>(sequence.pages[i]));
  }
}

}  // namespace

Status EngineLoop::step() {
  if (!flights_[flight_].plan) {
    LLMC_TRY(startStep());
    if (!flights_[flight_].plan) {
      rest();
      return Status::ok();
    }
  }
  const Status ahead = startAhead();
  LLMC_TRY(finishStep());
  flight_ = 1 - flight_;
  return ahead;
}

/// A step that knows all its tokens.
Status EngineLoop::startStep() {
  Flight& flight = flights_[flight_];
  TracedStep& traced = flight.traced;
  const double begin = now();
  const StepPlan& plan = scheduler_->plan(begin);
  publishQueue();
  if (plan.empty()) return Status::ok();
  heart_.enter(LoopPhase::kPrepare);
  traced = tracedOf(plan);
  traced.begin = begin;
  traced.planned = now();
  if (extras_.memory) {
    want(*extras_.memory, plan);
    if (extras_.memory->reach(scheduler_->touchedPages())) traced.ready = now();
  }
  LLMC_TRY(move(plan.moves));
  traced.moved = now();
  flight.plan = &plan;
  flight.tokensStay = false;
  if (plan.batch.empty()) return Status::ok();
  const StepSampling sampling = samplingOf(flight, 0);
  heart_.run();
  Status started = executor_.start(plan.batch, sampling);
  LLMC_TRY(leaveRun(LoopPhase::kPlan));
  return started;
}

/// The step after the one that runs, if its tokens stay on the device and nothing but them is unknown.
Status EngineLoop::startAhead() {
  const Flight& runs = flights_[flight_];
  if (!runs.tokensStay || !extras_.asyncScheduling || !executor_.ahead()) return Status::ok();
  Flight& next = flights_[1 - flight_];
  const double begin = now();
  const StepPlan* plan = scheduler_->planAhead(begin);
  if (!plan) return Status::ok();
  publishQueue();
  next.traced = tracedOf(*plan);
  next.traced.ahead = begin;
  next.plan = plan;
  const StepSampling sampling = samplingOf(next, 1);
  heart_.run();
  const Status started = executor_.start(plan->batch, sampling);
  LLMC_TRY(leaveRun(LoopPhase::kPlan));
  LLMC_TRY(started);
  next.traced.started = now();
  return Status::ok();
}

/// Waits for the step that ends next, and tells what came of it.
Status EngineLoop::finishStep() {
  Flight& flight = flights_[flight_];
  const StepPlan& plan = *std::exchange(flight.plan, nullptr);
  TracedStep& traced = flight.traced;
  traced.ran = now();
  outcomes_.clear();
  if (!plan.batch.empty()) {
    heart_.run();
    const Status finished = executor_.finish();
    LLMC_TRY(leaveRun(LoopPhase::kSample));
    LLMC_TRY(finished);
    traced.ran = now();
    scorePrompts(plan);
    LLMC_TRY(sample(flight, plan));
  }
  traced.sampled = now();
  heart_.enter(LoopPhase::kTell);
  // As vLLM counts a step: its prompt tokens, and the tokens that came of it.
  const auto told = std::count_if(made_.begin(), made_.end(), [](const Made& m) { return m.generation && !m.failed; });
  const uint32_t counted = plan.prefillTokens + static_cast<uint32_t>(told);
  scheduler_->complete(outcomes_, {}, traced.sampled);
  tellTokens();
  tellEnds();
  publishStats(counted);
  wakeTakers();
  if (extras_.trace || extras_.stepped) traceStep(traced);
  // The next one, if it is under way, has the device since then or sooner.
  TracedStep& next = flights_[1 - flight_].traced;
  next.begin = next.planned = next.moved = now();
  return Status::ok();
}

TracedStep EngineLoop::tracedOf(const StepPlan& plan) const {
  TracedStep traced;
  traced.number = plan.step;
  traced.tokens = plan.tokens;
  traced.prefillTokens = plan.prefillTokens;
  traced.sequences = static_cast<uint32_t>(plan.batch.size());
  traced.rows = plan.rows;
  traced.moves = static_cast<uint32_t>(plan.moves.size());
  if (!extras_.trace && !extras_.stepped) return traced;
  const StepShape shape = shapeOf(plan);
  traced.attended = shape.attended;
  traced.attendedAlone = shape.attendedAlone;
  return traced;
}

void EngineLoop::traceStep(TracedStep& traced) {
  const SchedulerStats stats = scheduler_->stats();
  traced.running = stats.running;
  traced.waiting = stats.waiting;
  traced.told = now();
  if (extras_.stepped) extras_.stepped(traced);
  if (!extras_.trace) return;
  extras_.trace->step(traced);
  extras_.trace->decisions(scheduler_->trace());
  if (extras_.trace->failed()) flushTrace();
}

/// A trace that cannot be written must not end the service.
void EngineLoop::flushTrace() {
  if (const Status status = extras_.trace->flush(); !status && extras_.notice) extras_.notice(status.message());
}

}  // namespace llmc::rt::serving
