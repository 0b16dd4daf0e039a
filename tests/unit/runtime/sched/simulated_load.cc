// The clients, the step and the checks.
#include "simulated_load.h"

#include <algorithm>
#include <set>

namespace llmc::rt {
namespace {

constexpr uint32_t kKeys = 3;
constexpr uint32_t kMostChoices = 6;  ///< more than there are places, at times
constexpr double kStepSeconds = 0.01;

}  // namespace

SchedulerConfig SimulatedLoad::randomConfig(std::mt19937_64& random) {
  const auto pick = [&random](uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(random() % (high - low + 1));
  };
  SchedulerConfig config;
  const uint32_t scale = random() % 16 == 0 ? 5 : 1;  // mostly small: that is where the corners are
  config.limits.maxSequences = pick(1, 12 * scale);
  config.limits.maxTokens = config.limits.maxSequences + pick(0, 64 * scale);
  config.limits.maxRows = config.limits.maxSequences + pick(0, 8);
  config.limits.maxContext = pick(24, 160 * scale);
  config.pages = pagesOf(config.limits.maxContext) + pick(0, 30 * scale);
  config.hostPages = pick(0, 30 * scale);
  config.maxQueue = pick(1, 24);
  config.policy = static_cast<Policy>(random() % 3);
  config.preempt = static_cast<PreemptMode>(random() % 2);
  config.prefixCache = random() % 6 != 0;
  config.fairKeys = random() % 3 != 0;
  config.maxRunningPerKey = random() % 4 == 0 ? pick(1, 6) : 0;
  config.prefillTokens = random() % 2 ? pick(1, 40) : 0;
  config.promptStretch = random() % 2 ? 1.5 : 0;
  config.reservePages = pick(0, 3);
  config.starvationSeconds = pick(0, 300) * kStepSeconds;
  config.mlfqLevels = pick(1, 5);
  config.mlfqQuantum = pick(4, 40);
  config.traceEvents = 400;
  config.deterministic = random() % 4 == 0;
  if (config.deterministic) {  // room for a chunk that neither is one token nor leaves one
    config.limits.maxTokens += 2;
    config.limits.maxRows += 2;
    if (config.prefillTokens > 0) config.prefillTokens += 2;
  }
  return config;
}

SimulatedLoad::SimulatedLoad(uint64_t seed)
    : seed_(seed),
      random_(seed),
      config_(randomConfig(random_)),
      scheduler_(Scheduler::create(config_).take()),
      model_(config_.pages, config_.hostPages),
      builder_(config_.limits, PagedModel::kVocabulary, config_.pages, /*apart=*/true) {
  for (uint32_t i = 0; i < 4; ++i) {
    prefixes_.emplace_back(config_.limits.maxContext);
    for (int32_t& token : prefixes_.back()) token = static_cast<int32_t>(random_() % PagedModel::kVocabulary);
  }
  cancelRate_ = chance(0.5) ? 0.05 : 0;
  faultRate_ = chance(0.5) ? 0.02 : 0;
  pauseRate_ = chance(0.3) ? 0.05 : 0;
  exactRate_ = chance(0.5) ? pick(1, 10) / 10.0 : 0;
  aheadRate_ = chance(0.3) ? 0 : chance(0.7) ? 1 : 0.5;
  againRate_ = chance(0.3) ? 0.02 : 0;
  arrivalSeconds_ = kStepSeconds * pick(3, 80) / 10;
  // What README.md states: the starvation bound, then everybody who may be ahead, one after the other, once for each
  // key; one sequence needs at most a step a token, twice when it was preempted.
  waitBound_ = config_.starvationSeconds + kStepSeconds * 2 * kKeys * config_.limits.maxContext *
                                               (config_.maxQueue * kMostChoices + config_.limits.maxSequences + 1);
}

void SimulatedLoad::fail(const std::string& what) {
  if (!failure_.empty()) return;
  failure_ = what + "\n  replay with LLMC_SIM_SEED=" + std::to_string(seed_) + ", step " +
             std::to_string(scheduler_->stats().steps) + "; last decisions:";
  const DecisionTrace& trace = scheduler_->trace();
  for (uint64_t i = std::max(trace.firstKept(), trace.total() > 25 ? trace.total() - 25 : 0); i < trace.total(); ++i)
    failure_ += "\n  " + DecisionTrace::text(trace.at(i));
}

RequestSpec SimulatedLoad::randomRequest() {
  RequestSpec spec;
  spec.id = nextId_++;
  const uint32_t length = pick(1, chance(0.3) ? config_.limits.maxContext - 1 : config_.limits.maxContext / 3);
  // A shared prefix, cut anywhere, then tokens of its own.
  const auto& prefix = prefixes_[random_() % prefixes_.size()];
  const uint32_t shared = chance(0.7) ? pick(0, length) : 0;
  spec.prompt.assign(prefix.begin(), prefix.begin() + shared);
  while (spec.prompt.size() < length) spec.prompt.push_back(static_cast<int32_t>(random_() % PagedModel::kVocabulary));
  spec.maxNewTokens = pick(1, chance(0.2) ? config_.limits.maxContext : 20);
  spec.choices = chance(0.15) ? pick(1, kMostChoices) : 1;
  spec.priority = static_cast<int32_t>(pick(0, 4)) - 2;
  spec.key = random_() % kKeys;
  spec.salt = {random_() % 8 == 0 ? 1u : 0u, 0};
  if (chance(0.05)) spec.deadline = now_ + kStepSeconds * pick(0, 200);
  spec.allPromptRows = chance(0.03);
  spec.exact = chance(exactRate_);
  return spec;
}

void SimulatedLoad::submitOne() {
  RequestSpec spec = randomRequest();
  Client client;
  client.spec = spec;
  uint64_t kv = rootOf(spec);
  const bool alone = exact(spec) && (spec.prompt.size() == 1 || !roomForChunks(config_));
  for (const int32_t token : spec.prompt)
    kv = alone ? PagedModel::advanceAlone(kv, token) : PagedModel::advance(kv, token);
  client.kv.assign(spec.choices, kv);
  client.generated.assign(spec.choices, 0);
  client.ended.assign(spec.choices, false);
  client.submitted = now_;
  const RequestId id = spec.id;
  const Status status = scheduler_->submit(std::move(spec), now_);
  ++totals_.requests;
  if (status) {
    clients_.emplace(id, std::move(client));
    return;
  }
  ++totals_.refused;
  if (status.code() != "RT_QUEUE_FULL") fail("refused for another reason: " + status.toString());
  if (scheduler_->stats().waiting < config_.maxQueue) fail("refused although the queue has room");
}

SimulatedLoad::Client* SimulatedLoad::someClient() {
  if (clients_.empty()) return nullptr;
  return &std::next(clients_.begin(), static_cast<long>(random_() % clients_.size()))->second;
}

/// What people do at any time, also while a step runs.
void SimulatedLoad::disturb() {
  if (chance(cancelRate_))
    if (Client* client = someClient()) client->cancelled |= scheduler_->cancel(client->spec.id, now_);
  if (chance(cancelRate_ / 2))
    if (Client* client = someClient()) (void)scheduler_->stop(client->spec.id, 0, now_);
  if (Client* client = chance(pauseRate_) ? someClient() : nullptr; client && !client->paused) {
    client->paused = scheduler_->setPaused(client->spec.id, true);
    client->pausedSince = now_;
  }
  for (auto& [id, client] : clients_)
    if (client.paused && (pauseRate_ == 0 || chance(0.05))) {
      (void)scheduler_->setPaused(id, false);
      client.paused = false;
      client.pausedSeconds += now_ - client.pausedSince;
    }
}

void SimulatedLoad::checkBudgets(const StepPlan& plan) {
  if (plan.batch.size() > config_.limits.maxSequences) fail("too many sequences in a step");
  if (plan.tokens > config_.limits.maxTokens) fail("the token budget is exceeded");
  if (plan.rows > config_.limits.maxRows) fail("too many rows");
  seen_.clear();
  for (const PlannedSequence& entry : plan.sequences)
    if (!seen_.insert({entry.request, entry.choice}).second) fail("a sequence is twice in a step");
  for (const PlannedSequence& entry : plan.sequences)
    if (const auto found = clients_.find(entry.request); found != clients_.end() && found->second.paused)
      fail("a paused sequence runs");
}

void SimulatedLoad::checkPlan(const StepPlan& plan) {
  checkBudgets(plan);
  const auto decoded = [this](const PlannedSequence& entry) {
    return decoding_.count({entry.request, entry.choice}) > 0;
  };
  if (std::any_of(plan.sequences.begin(), plan.sequences.end(), decoded) && config_.prefillTokens > 0 &&
      plan.prefillTokens > config_.prefillTokens)
    fail("the prompt budget is exceeded");
  bool somebodyCould = false;
  // The paused requests of a key use up its bound.
  const bool bounded = config_.maxRunningPerKey > 0 && pauseRate_ > 0;
  for (const auto& [id, client] : clients_)
    for (uint32_t choice = 0; choice < client.spec.choices; ++choice) {
      const auto view = scheduler_->view(id, choice);
      if (client.paused || !view || view->state == SequenceState::kFinished) continue;
      somebodyCould |= !bounded;
      if (view->state == SequenceState::kRunning && !seen_.count({id, choice})) fail("a running sequence got no token");
    }
  emptyPlans_ = plan.batch.empty() && somebodyCould ? emptyPlans_ + 1 : 0;
  if (emptyPlans_ > 2) fail("deadlock: nobody runs, somebody could");
  if (!plan.batch.empty())
    if (const Status status = builder_.build(plan.batch); !status) fail(status.toString());
}

/// The oldest prompt goes on in every step in which nobody lost its place, so no prompt that has begun waits for ever.
void SimulatedLoad::checkExact(const StepPlan& plan, bool preempted) {
  size_t exacts = 0;
  for (size_t i = 0; i < plan.batch.size(); ++i) {
    const bool wanted = exact(clients_.at(plan.sequences[i].request).spec);
    if (plan.batch[i].exact != wanted) fail("a sequence is not as exact as its request");
    exacts += wanted;
    if (wanted) totals_.exactTokens += plan.batch[i].tokens.size();
  }
  totals_.mixedSteps += exacts > 0 && exacts < plan.batch.size();
  if (plan.prefillTokens > 0 || preempted) return;
  for (const auto& [id, client] : clients_)
    if (!client.paused && scheduler_->view(id, 0)->state == SequenceState::kPrefilling)
      fail("no prompt goes on, although one has begun");
}

void SimulatedLoad::checkSample(const PlannedSample& sample, uint64_t kv, SampleOutcome& outcome) {
  const auto found = clients_.find(sample.request);
  if (found == clients_.end()) return fail("a sample for a request that is gone");
  Client& client = found->second;
  const int32_t token = PagedModel::next(kv, sample.choice);
  if (token != PagedModel::next(client.kv[sample.choice], sample.choice))
    fail("request " + std::to_string(sample.request) + " read a wrong context");
  if (sample.generated != client.generated[sample.choice]) fail("a token is lost or doubled");
  uint64_t& expected = client.kv[sample.choice];
  expected = exact(client.spec) ? PagedModel::advanceAlone(expected, token) : PagedModel::advance(expected, token);
  ++client.generated[sample.choice];
  outcome = {token, token % 61 == 0 ? Verdict::kStop : Verdict::kContinue};
}

/// What the device does: tokens of the step before come from its rows.
void SimulatedLoad::execute(Flight& flight, const std::vector<int32_t>& lastTokens) {
  const StepPlan& plan = *flight.plan;
  for (const PageMove& move : plan.moves) model_.move(move);
  flight.kv.clear();
  flight.spoilt.clear();
  flight.rowTokens.assign(plan.rows, 0);
  for (uint32_t i = 0; i < plan.batch.size(); ++i) {
    StepSequence entry = plan.batch[i];
    int32_t token = entry.tokens[0];
    if (token < 0) {
      token = lastTokens[static_cast<size_t>(-1 - token)];
      entry.tokens = {&token, 1};
    }
    flight.spoilt.push_back(chance(faultRate_));
    const RequestSpec& spec = clients_.at(plan.sequences[i].request).spec;
    flight.kv.push_back(model_.run(entry, rootOf(spec), flight.spoilt[i], exact(spec)));
    const uint32_t rows = entry.rows == RowChoice::kNone  ? 0
                          : entry.rows == RowChoice::kAll ? static_cast<uint32_t>(entry.tokens.size())
                                                          : 1;
    if (rows > 0)
      flight.rowTokens[plan.sequences[i].firstRow + rows - 1] =
          PagedModel::next(flight.kv[i], plan.sequences[i].choice);
  }
}

/// Outcomes and faults of a step. `another`: the next one has been planned, so that a token may be missing.
void SimulatedLoad::judge(const Flight& flight, bool another) {
  const StepPlan& plan = *flight.plan;
  faults_.clear();
  outcomes_.assign(plan.samples.size(), {});
  for (uint32_t i = 0; i < plan.batch.size(); ++i) {
    if (flight.spoilt[i]) faults_.push_back(i);
    for (size_t s = 0; s < plan.samples.size(); ++s) {
      const PlannedSample& sample = plan.samples[s];
      if (sample.request != plan.sequences[i].request || flight.spoilt[i]) continue;
      const bool own = sample.choice == plan.sequences[i].choice;
      // A choice that is not in the step takes its first token from its leader's row.
      const auto same = [&sample](const PlannedSequence& entry) {
        return entry.request == sample.request && entry.choice == sample.choice;
      };
      const bool group =
          plan.sequences[i].choice == 0 && std::none_of(plan.sequences.begin(), plan.sequences.end(), same);
      if (!own && !group) continue;
      if (sample.choice > 0 && sample.generated == 0) ++(own ? totals_.queued : totals_.together);
      totals_.dropped += sample.dropped;
      if (sample.dropped) continue;
      const auto view = scheduler_->view(sample.request, sample.choice);
      const uint32_t rows =
          plan.batch[i].rows == RowChoice::kAll ? static_cast<uint32_t>(plan.batch[i].tokens.size()) : 1;
      if (sample.row != plan.sequences[i].firstRow + rows - 1) fail("a sample reads another sequence's row");
      if (view && sample.position != view->tokens.size()) fail("a sample has a wrong position");
      if (another && chance(againRate_)) {
        outcomes_[s].verdict = Verdict::kAgain;
        ++totals_.again;
      } else {
        checkSample(sample, flight.kv[i], outcomes_[s]);
      }
    }
  }
}

void SimulatedLoad::finishSome() {
  for (const FinishedSequence& end : scheduler_->takeFinished()) {
    const auto found = clients_.find(end.request);
    if (found == clients_.end() || found->second.ended[end.choice]) return fail("ended twice");
    Client& client = found->second;
    client.ended[end.choice] = true;
    const auto view = scheduler_->view(end.request, end.choice);
    if (!view || view->state != SequenceState::kFinished || view->end != end.reason) return fail("ended wrongly");
    const uint32_t made = static_cast<uint32_t>(view->tokens.size()) - view->promptTokens;
    const bool discarded = end.reason == EndReason::kCancelled || end.reason == EndReason::kDeadline ||
                           end.reason == EndReason::kStop;  // of the step in flight
    if (made != client.generated[end.choice] && !(discarded && made + 1 == client.generated[end.choice]))
      fail("tokens are missing at the end");
    totals_.cancelled += end.reason == EndReason::kCancelled;
    totals_.expired += end.reason == EndReason::kDeadline;
    totals_.failed += end.reason == EndReason::kFailed;
    totals_.tokens += made;
    if (!end.last) continue;
    if (!scheduler_->collect(end.request)) return fail("cannot be collected");
    clients_.erase(found);
  }
  for (const auto& [id, client] : clients_)
    if (client.cancelled) return fail("a cancelled request is still there after the step");
}

void SimulatedLoad::checkWaits() {
  for (auto& [id, client] : clients_) {
    if (client.started) continue;
    const auto view = scheduler_->view(id, 0);
    client.started = view && view->state != SequenceState::kWaiting;
    const double paused = client.pausedSeconds + (client.paused ? now_ - client.pausedSince : 0);
    const double share = (now_ - client.submitted - paused) / waitBound_;
    totals_.longestWaitShare = std::max(totals_.longestWaitShare, share);
    if (share > 1) fail("request " + std::to_string(id) + " waited longer than the bound");
  }
}

void SimulatedLoad::planStep() {
  decoding_.clear();
  for (const auto& [id, client] : clients_)
    for (uint32_t choice = 0; choice < client.spec.choices; ++choice)
      if (scheduler_->view(id, choice)->state == SequenceState::kRunning) decoding_.insert({id, choice});
  const uint64_t preemptions = scheduler_->stats().preemptions;
  flights_[flight_].plan = &scheduler_->plan(now_);
  checkPlan(*flights_[flight_].plan);
  checkExact(*flights_[flight_].plan, scheduler_->stats().preemptions > preemptions);
  execute(flights_[flight_], {});
}

/// Whether there is a step after the one that runs already.
bool SimulatedLoad::planAhead() {
  const Flight& runs = flights_[flight_];
  Flight& next = flights_[1 - flight_];
  next.plan = chance(aheadRate_) ? scheduler_->planAhead(now_) : nullptr;
  if (!next.plan) return false;
  ++totals_.ahead;
  if (!next.plan->moves.empty() || next.plan->empty()) fail("a step that was planned ahead has moves or no tokens");
  checkBudgets(*next.plan);
  if (const Status status = builder_.build(next.plan->batch, runs.plan->rows); !status) fail(status.toString());
  execute(next, runs.rowTokens);
  return true;
}

/// False when nothing is left to do.
bool SimulatedLoad::step() {
  disturb();
  if (!flights_[flight_].plan) planStep();
  disturb();
  const bool another = planAhead();
  disturb();
  now_ += kStepSeconds;
  Flight& flight = flights_[flight_];
  judge(flight, another);
  if (!flight.plan->empty()) scheduler_->complete(outcomes_, faults_, now_);
  flight.plan = nullptr;
  flight_ = 1 - flight_;
  finishSome();
  checkWaits();
  ++totals_.steps;
  if (const Status status = scheduler_->check(); !status) fail(status.toString());
  return !clients_.empty() || another;
}

void SimulatedLoad::checkIdle() {
  const SchedulerStats stats = scheduler_->stats();
  if (stats.waiting + stats.running + stats.swapped != 0) fail("somebody is left");
  if (stats.freePages + stats.idlePages != stats.totalPages) fail("device pages leaked");
  if (stats.freeHostPages != config_.hostPages) fail("host pages leaked");
  totals_.preemptions += stats.preemptions;
  totals_.swaps += stats.swapOuts;
  totals_.hits += stats.prefix.hits;
  totals_.evicted += stats.prefix.evicted;
}

std::string SimulatedLoad::run(uint32_t requests, LoadTotals& totals) {
  totals_ = totals;
  double nextArrival = 0;
  for (uint32_t submitted = 0; failure_.empty();) {
    while (submitted < requests && nextArrival <= now_) {
      const uint32_t burst = chance(0.05) ? 8 : 1;
      for (uint32_t i = 0; i < burst && submitted < requests; ++i, ++submitted) submitOne();
      nextArrival += std::exponential_distribution<>(1 / arrivalSeconds_)(random_);
    }
    if (!step() && submitted == requests) break;
  }
  checkIdle();
  totals = totals_;
  return failure_;
}

}  // namespace llmc::rt
