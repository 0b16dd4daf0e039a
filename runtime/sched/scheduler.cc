// Requests in, results back: what changes between two plans.
#include "runtime/sched/scheduler.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <string>

namespace llmc::rt {
namespace {

/// What a token of prompt and a generated one are charged to a key: the weights of the paper that KeyLedger cites.
constexpr double kPromptCost = 1, kDecodeCost = 2;
/// Admissions over which the rate behind Retry-After is taken.
constexpr uint64_t kRateAdmissions = 8;

/// Pages of other sequences were rounded otherwise. Salts are digests: no other one is this far from `salt`.
Digest128 exactSalt(const Digest128& salt) { return {salt.low ^ 0x6578616374, salt.high}; }

}  // namespace

Scheduler::Scheduler(const SchedulerConfig& config)
    : state_(config), planner_(state_), nextDeadline_(std::numeric_limits<double>::infinity()) {
  reported_.reserve(size_t{config.limits.maxSequences} * 2);
}

Result<std::unique_ptr<Scheduler>> Scheduler::create(const SchedulerConfig& config) {
  LLMC_TRY(checkConfig(config));
  return std::unique_ptr<Scheduler>(new Scheduler(config));
}

Status Scheduler::submit(RequestSpec spec, double now) {
  state_.now = now;
  const SchedulerConfig& config = state_.config;
  const auto refuse = [](ErrorKind kind, const char* code, std::string text) {
    return Status::error(kind, code, std::move(text));
  };
  if (spec.prompt.empty()) return refuse(ErrorKind::kUsage, "RT_REQUEST", "the prompt has no tokens");
  if (spec.maxNewTokens == 0) return refuse(ErrorKind::kUsage, "RT_REQUEST", "no tokens are wanted");
  if (spec.choices == 0) return refuse(ErrorKind::kUsage, "RT_REQUEST", "no answers are wanted");
  if (spec.prompt.size() >= config.limits.maxContext)
    return refuse(ErrorKind::kBadInput, "RT_CONTEXT",
                  "a prompt of " + std::to_string(spec.prompt.size()) + " tokens, the context is " +
                      std::to_string(config.limits.maxContext) + " with at least one generated");
  if (state_.requests.count(spec.id))
    return refuse(ErrorKind::kUsage, "RT_REQUEST", "request " + std::to_string(spec.id) + " is there already");
  if (!spec.goesOn && state_.waiting.size() >= size_t{config.maxQueue} + freePlaces()) {
    state_.trace.add({now, state_.step, spec.id, 0, Decision::kRefused, Cause::kNone,
                      static_cast<uint32_t>(state_.waiting.size()), config.maxQueue});
    return refuse(ErrorKind::kUnavailable, "RT_QUEUE_FULL",
                  std::to_string(state_.waiting.size()) + " requests wait already, at most " +
                      std::to_string(config.maxQueue) + " may");
  }
  Request& request = state_.requests[spec.id];
  request = {.id = spec.id, .choices = {}, .unfinished = spec.choices, .deadline = spec.deadline, .owner = spec.owner};
  nextDeadline_ = std::min(nextDeadline_, spec.deadline);
  for (uint32_t i = 0; i < spec.choices; ++i) newSequence(request, spec, now);
  Sequence& first = *request.choices[0];
  state_.note(first, Decision::kSubmitted, first.promptTokens, static_cast<uint32_t>(state_.waiting.size()));
  state_.waiting.push_back(&first);
  return Status::ok();
}

uint32_t Scheduler::freePlaces() const {
  return queued_
             ? 0
             : state_.config.limits.maxSequences - static_cast<uint32_t>(state_.running.size()) - state_.reservedSlots;
}

Sequence& Scheduler::newSequence(Request& request, const RequestSpec& spec, double now) {
  if (state_.freeRecords.empty()) {
    state_.records.emplace_back();
    state_.freeRecords.push_back(&state_.records.back());
  }
  Sequence& s = *state_.freeRecords.back();
  state_.freeRecords.pop_back();
  s = Sequence{};
  s.request = &request;
  s.choice = static_cast<uint32_t>(request.choices.size());
  s.promptTokens = static_cast<uint32_t>(spec.prompt.size());
  s.maxTokens = static_cast<uint32_t>(
      std::min<uint64_t>(uint64_t{s.promptTokens} + spec.maxNewTokens, state_.config.limits.maxContext));
  s.tokens.reserve(s.maxTokens);
  s.tokens.assign(spec.prompt.begin(), spec.prompt.end());
  s.exact = spec.exact || state_.config.deterministic;
  s.salt = s.exact ? exactSalt(spec.salt) : spec.salt;
  s.logits = spec.logits;
  s.rowsWanted = spec.allPromptRows && s.choice == 0 ? s.promptTokens : 0;
  if (state_.config.prefixCache) {
    s.keys.reserve(s.maxTokens / kPageTokens);
    s.extendKeys(s.promptTokens / kPageTokens);
  }
  s.priority = spec.priority;
  s.level = state_.ranking.joinLevel(s.promptTokens);
  s.key = state_.keys.enter(spec.key);
  s.arrival = s.waitingSince = now;
  s.serial = nextSerial_++;
  request.choices.push_back(&s);
  return s;
}

/// At once, or with the step that holds it.
void Scheduler::end(Sequence& sequence, EndReason reason) {
  if (inFlight_ > 0 && sequence.scheduled > 0)
    sequence.doomed = reason;
  else
    state_.finish(sequence, reason);
}

bool Scheduler::cancel(RequestId id, double now) {
  state_.now = now;
  const auto found = state_.requests.find(id);
  if (found == state_.requests.end() || found->second.unfinished == 0) return false;
  // The leader last: its slots are those of the others.
  for (size_t i = found->second.choices.size(); i-- > 0;) {
    Sequence& sequence = *found->second.choices[i];
    if (sequence.state != SequenceState::kFinished) end(sequence, EndReason::kCancelled);
  }
  return true;
}

bool Scheduler::stop(RequestId id, uint32_t choice, double now) {
  state_.now = now;
  const auto found = state_.requests.find(id);
  if (found == state_.requests.end() || choice >= found->second.choices.size()) return false;
  Sequence& sequence = *found->second.choices[choice];
  if (sequence.state == SequenceState::kFinished || sequence.tokens.size() == sequence.promptTokens) return false;
  end(sequence, EndReason::kStop);
  return true;
}

bool Scheduler::setPaused(RequestId id, bool paused) {
  const auto found = state_.requests.find(id);
  if (found == state_.requests.end()) return false;
  found->second.paused = paused;
  return true;
}

bool Scheduler::collect(RequestId id) {
  const auto found = state_.requests.find(id);
  if (found == state_.requests.end() || found->second.unfinished > 0) return false;
  for (Sequence* sequence : found->second.choices) {
    state_.keys.leave(sequence->key);
    *sequence = Sequence{};  // gives the tokens' memory back
    state_.freeRecords.push_back(sequence);
  }
  state_.requests.erase(found);
  return true;
}

void Scheduler::expire() {
  if (state_.now < nextDeadline_) return;
  nextDeadline_ = std::numeric_limits<double>::infinity();
  for (auto& [id, request] : state_.requests) {
    if (request.unfinished == 0) continue;
    if (state_.now < request.deadline) {
      nextDeadline_ = std::min(nextDeadline_, request.deadline);
      continue;
    }
    for (size_t i = request.choices.size(); i-- > 0;)
      if (request.choices[i]->state != SequenceState::kFinished) end(*request.choices[i], EndReason::kDeadline);
  }
}

const StepPlan& Scheduler::plan(double now) {
  assert(inFlight_ == 0);
  state_.now = now;
  ++state_.step;
  expire();
  StepPlan& plan = plans_[current_];
  planner_.plan(plan, current_);
  learnAdmissionRate();
  inFlight_ = plan.empty() ? 0 : 1;
  plannedAt_[current_] = now;
  return plan;
}

const StepPlan* Scheduler::planAhead(double now) {
  // Pages that wait to be copied or cleared must not be handed out before.
  if (inFlight_ != 1 || state_.moves.size() != plans_[current_].moves.size()) return nullptr;
  state_.now = now;
  expire();
  if (!planner_.planAhead(plans_[1 - current_], current_)) return nullptr;
  learnAdmissionRate();
  inFlight_ = 2;
  plannedAt_[1 - current_] = now;
  return &plans_[1 - current_];
}

void Scheduler::learnAdmissionRate() {
  queued_ = !state_.waiting.empty();
  // Only while somebody waits: a quiet hour says nothing about how fast the queue moves.
  if (state_.waiting.empty()) {
    rateSince_ = state_.now;
    rateAdmissions_ = state_.admissions;
  }
  if (state_.admissions - rateAdmissions_ < kRateAdmissions) return;
  const double mean = (state_.now - rateSince_) / static_cast<double>(state_.admissions - rateAdmissions_);
  secondsPerAdmission_ = secondsPerAdmission_ > 0 ? (secondsPerAdmission_ + mean) / 2 : mean;
  rateSince_ = state_.now;
  rateAdmissions_ = state_.admissions;
}

uint32_t Scheduler::retryAfterSeconds() const {
  const double wait = std::ceil(secondsPerAdmission_ * static_cast<double>(state_.waiting.size()));
  return static_cast<uint32_t>(std::clamp(wait, 1.0, 60.0));
}

/// The step's tokens are valid: they count, and full pages become findable.
void Scheduler::commit(Sequence& s) {
  state_.keys.charge(s.key, s.state == SequenceState::kRunning ? kDecodeCost : kPromptCost * s.scheduled);
  s.computed += s.scheduled;
  const uint32_t shared = state_.shareable(s, s.computed);
  if (state_.config.prefixCache) state_.pages.publish(s.pages, s.keyed(shared / kPageTokens), shared);
  if (state_.ranking.serve(s, s.scheduled)) state_.note(s, Decision::kDemoted, s.level, 0);
  s.scheduled = 0;
  if (s.computed >= s.rowsWanted) s.rowsWanted = 0;  // delivered; a recomputation gives none
  if (s.remaining() > 0) return;
  s.state = SequenceState::kRunning;
  if (s.leads()) state_.fork(s);
}

/// Before a group has forked its leader is all there is: the fault is the whole request's.
void Scheduler::fail(Sequence& sequence) {
  if (sequence.leads())
    for (Sequence* choice : sequence.request->choices)
      if (choice != &sequence && choice->state != SequenceState::kFinished) state_.finish(*choice, EndReason::kFailed);
  state_.finish(sequence, EndReason::kFailed);
}

void Scheduler::append(Sequence& sequence, const SampleOutcome& outcome) {
  if (sequence.state == SequenceState::kFinished) return;
  if (sequence.doomed != EndReason::kNone) return state_.finish(sequence, sequence.doomed);
  if (outcome.verdict == Verdict::kFail) return fail(sequence);
  sequence.again = outcome.verdict == Verdict::kAgain;
  if (sequence.again) return;
  if (sequence.firstTokenAt < 0) sequence.firstTokenAt = state_.now;
  sequence.tokens.push_back(outcome.token);
  if (outcome.verdict == Verdict::kStop)
    state_.finish(sequence, EndReason::kStop);
  else if (sequence.tokens.size() >= sequence.maxTokens)
    state_.finish(sequence, EndReason::kLength);
}

void Scheduler::complete(std::span<const SampleOutcome> outcomes, std::span<const uint32_t> faults, double now) {
  const std::vector<Sequence*>&planned = planner_.planned(current_), &sampled = planner_.sampled(current_);
  assert(inFlight_ > 0 && outcomes.size() == sampled.size());
  const StepPlan& plan = plans_[current_];
  // A step that was planned ahead begins when the one before is done.
  state_.pace.learn(plan.tokens - plan.prefillTokens, plan.prefillTokens,
                    now - std::max(plannedAt_[current_], completedAt_));
  state_.now = completedAt_ = now;
  // Those behind came with ends and are the next plan's.
  state_.moves.erase(state_.moves.begin(), state_.moves.begin() + static_cast<ptrdiff_t>(plan.moves.size()));
  for (const uint32_t index : faults)
    if (Sequence* sequence = planned[index]; sequence && sequence->state != SequenceState::kFinished) fail(*sequence);
  for (size_t i = 0; i < outcomes.size(); ++i)
    if (sampled[i] && outcomes[i].verdict == Verdict::kAgain) sampled[i]->scheduled = 0;
  for (Sequence* sequence : planned)
    if (sequence && sequence->scheduled > 0) commit(*sequence);
  for (size_t i = 0; i < outcomes.size(); ++i)
    if (sampled[i]) append(*sampled[i], outcomes[i]);
  // Cancelled in the middle of their prompt: no sample ended them.
  for (Sequence* sequence : planned)
    if (sequence && sequence->doomed != EndReason::kNone && sequence->state != SequenceState::kFinished)
      state_.finish(*sequence, sequence->doomed);
  if (inFlight_ == 2) planner_.promote(current_);
  --inFlight_;
  current_ = 1 - current_;
}

std::span<const FinishedSequence> Scheduler::takeFinished() {
  std::swap(reported_, state_.finished);
  state_.finished.clear();
  return reported_;
}

std::optional<SequenceView> Scheduler::view(RequestId id, uint32_t choice) const {
  const auto found = state_.requests.find(id);
  if (found == state_.requests.end() || choice >= found->second.choices.size()) return std::nullopt;
  const Sequence& s = *found->second.choices[choice];
  return SequenceView{s.state,    s.end,     s.tokens,     s.promptTokens, s.cachedTokens,
                      s.computed, s.arrival, s.admittedAt, s.firstTokenAt, s.preemptions};
}

SchedulerStats Scheduler::stats() const {
  const PageTables& pages = state_.pages;
  SchedulerStats stats;
  stats.waiting = static_cast<uint32_t>(state_.waiting.size());
  stats.running = static_cast<uint32_t>(state_.running.size());
  const auto mostOfKey = static_cast<int64_t>(state_.config.maxRunningPerKey);
  for (const Sequence* sequence : state_.waiting) {
    stats.swapped += sequence->state == SequenceState::kSwapped;
    const bool bound = mostOfKey > 0 && state_.keys.running(sequence->key) >= mostOfKey;
    stats.deferred += sequence->request->paused || bound || sequence->waitsFor;
  }
  stats.freePages = pages.device().freePages();
  stats.idlePages = pages.cache().idlePages();
  stats.totalPages = pages.device().totalPages();
  stats.freeHostPages = pages.host().freePages();
  stats.steps = state_.step;
  stats.preemptions = state_.preemptions;
  stats.swapOuts = state_.swapOuts;
  stats.recomputedTokens = state_.recomputedTokens;
  stats.prefix = pages.cache().stats();
  return stats;
}

}  // namespace llmc::rt
