// commands -> plan -> moves and batch -> samples -> complete -> events, until there is nothing to do.
#include "runtime/serving/engine_loop.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "runtime/format/digest.h"

namespace llmc::rt::serving {

using server::FinishEvent;
using server::FinishReason;
using server::GenerationId;

namespace {

/// While generations are paused or wait for a deadline, somebody has to look at the clock.
constexpr std::chrono::milliseconds kWatch{50}, kSleep{3'600'000};

uint64_t randomWord() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

EngineLoop::EngineLoop(Executor& executor, KvStore& kv, server::ModelFacts facts, uint32_t maxQueue,
                       std::unique_ptr<Scheduler> scheduler)
    : executor_(executor),
      kv_(kv),
      facts_(std::move(facts)),
      maxQueue_(maxQueue),
      scheduler_(std::move(scheduler)),
      sampler_(executor.vocabulary()),
      saltSecret_{randomWord(), randomWord()} {}

Result<std::unique_ptr<EngineLoop>> EngineLoop::create(Executor& executor, KvStore& kv, server::ModelFacts facts,
                                                       const SchedulerConfig& config) {
  auto scheduler = Scheduler::create(config);
  if (!scheduler) return scheduler.takeStatus();
  return std::unique_ptr<EngineLoop>(new EngineLoop(executor, kv, std::move(facts), config.maxQueue, scheduler.take()));
}

double EngineLoop::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

// --- any thread ---

Status EngineLoop::submit(server::GenerationRequest request, std::shared_ptr<server::GenerationSink> sink) {
  if (broken_.load()) return Status::error(ErrorKind::kInternal, "SV_BROKEN", "the engine has failed; restart it");
  const uint64_t tokens = request.prompt.size() + request.maxTokens;
  const uint64_t pages = (tokens + kPageTokens - 1) / kPageTokens * request.choices;
  if (pages > kv_.pages())
    return Status::error(ErrorKind::kUnavailable, server::kKvCapacity,
                         std::to_string(request.choices) + " answers of " + std::to_string(tokens) +
                             " tokens, prompt included, need " + std::to_string(pages) + " KV pages of " +
                             std::to_string(kv_.pages()),
                         "ask for fewer or shorter answers");
  if (stats().waiting + inbox_.submits() >= maxQueue_)
    return Status::error(ErrorKind::kUnavailable, server::kQueueFull,
                         std::to_string(maxQueue_) + " requests are waiting");
  Command command;
  command.id = request.id;
  command.request = std::move(request);
  command.sink = std::move(sink);
  command.arrival = std::chrono::steady_clock::now();
  inbox_.push(std::move(command));
  return Status::ok();
}

void EngineLoop::cancel(GenerationId id, uint32_t choice) {
  inbox_.push({.kind = Command::Kind::kCancel, .id = id, .choice = choice, .request = {}, .sink = {}});
}
void EngineLoop::pause(GenerationId id) {
  inbox_.push({.kind = Command::Kind::kPause, .id = id, .request = {}, .sink = {}});
}
void EngineLoop::resume(GenerationId id) {
  inbox_.push({.kind = Command::Kind::kResume, .id = id, .request = {}, .sink = {}});
}
void EngineLoop::stop() { inbox_.close(); }

server::BackendStats EngineLoop::stats() const {
  const std::lock_guard lock(statsMutex_);
  return stats_;
}

// --- the engine's thread ---

Status EngineLoop::run() {
  std::vector<Command> commands;
  while (inbox_.take(commands)) {
    apply(commands);
    if (Status status = step(); !status) {
      breakDown(status);
      return status;
    }
  }
  return Status::ok();
}

void EngineLoop::apply(std::vector<Command>& commands) {
  for (Command& command : commands) {
    switch (command.kind) {
      case Command::Kind::kSubmit:
        admit(command);
        break;
      case Command::Kind::kCancel:
        if (command.choice == server::kAllChoices)
          scheduler_->cancel(command.id, now());
        else
          scheduler_->stop(command.id, command.choice, now());
        break;
      case Command::Kind::kPause:
      case Command::Kind::kResume:
        scheduler_->setPaused(command.id, command.kind == Command::Kind::kPause);
        break;
    }
  }
  commands.clear();
}

void EngineLoop::admit(Command& command) {
  auto generation =
      std::make_unique<Generation>(std::move(command.request), std::move(command.sink), executor_.vocabulary());
  const server::GenerationRequest& request = generation->request();
  RequestSpec spec;
  spec.id = request.id;
  spec.prompt = request.prompt;
  spec.maxNewTokens = request.maxTokens;
  spec.choices = request.choices;
  spec.priority = request.priority;
  spec.key = request.apiKey;
  if (request.deadline) spec.deadline = std::chrono::duration<double>(*request.deadline - start_).count();
  spec.salt = saltOf(request.cacheSalt);
  spec.allPromptRows = generation->wantsPromptRows();
  const double arrival = std::chrono::duration<double>(command.arrival - start_).count();
  if (Status status = scheduler_->submit(std::move(spec), std::max(arrival, 0.0)); !status) {
    // Others have filled the queue since submit() looked at it.
    if (status.code() == "RT_QUEUE_FULL")
      status = Status::error(ErrorKind::kUnavailable, server::kQueueFull, status.message());
    generation->tell(server::ErrorEvent{std::move(status)});
    return;
  }
  generations_.emplace(command.id, std::move(generation));
}

Digest128 EngineLoop::saltOf(const std::string& salt) const {
  if (salt.empty()) return {};
  std::string keyed(reinterpret_cast<const char*>(saltSecret_), sizeof saltSecret_);
  keyed += salt;
  return digestOf(keyed.data(), keyed.size());
}

void EngineLoop::move(std::span<const PageMove> moves) {
  for (const PageMove& move : moves) {
    if (move.kind == PageMove::Kind::kCopy)
      kv_.copyPage(move.from, move.to);
    else if (move.kind == PageMove::Kind::kClear)
      std::memset(kv_.base() + static_cast<uint64_t>(move.to) * kv_.pageBytes(), 0, kv_.pageBytes());
    // The scheduler has no host pages, so nothing is swapped.
  }
}

Status EngineLoop::step() {
  const StepPlan& plan = scheduler_->plan(now());
  if (plan.empty()) {
    tellEnds();
    publishStats(0);
    inbox_.wait(generations_.empty() ? kSleep : kWatch);
    return Status::ok();
  }
  move(plan.moves);
  outcomes_.clear();
  if (!plan.batch.empty()) {
    LLMC_TRY(executor_.step(plan.batch));
    scorePrompts(plan);
    sample(plan);
  }
  const uint32_t tokens = plan.tokens;
  scheduler_->complete(outcomes_, {}, now());
  tellTokens();
  tellEnds();
  publishStats(tokens);
  return Status::ok();
}

void EngineLoop::scorePrompts(const StepPlan& plan) {
  for (size_t i = 0; i < plan.batch.size(); ++i) {
    if (plan.batch[i].rows != RowChoice::kAll) continue;
    Generation& generation = *generations_.at(plan.sequences[i].request);
    for (uint32_t t = 0; t < plan.batch[i].tokens.size(); ++t) {
      const auto logits = executor_.logits(plan.sequences[i].firstRow + t);
      if (Status status = generation.score(sampler_, logits, plan.batch[i].start + t); !status)
        fail(plan.sequences[i].request, status);
    }
  }
}

void EngineLoop::sample(const StepPlan& plan) {
  made_.clear();
  for (const PlannedSample& planned : plan.samples) {
    Generation& generation = *generations_.at(planned.request);
    server::TokenEvent event;
    event.choice = planned.choice;
    if (generation.params(planned.choice).logprobs >= 0) event.logprobs = std::make_unique<TokenLogprobs>();
    auto token = sampler_.sample(executor_.logits(planned.row), generation.sampling(planned.choice, planned.position),
                                 event.logprobs.get());
    if (!token) {
      fail(planned.request, token.status());
      outcomes_.push_back({0, Verdict::kFail});
      continue;
    }
    generation.append(planned.choice, *token);
    event.token = *token;
    outcomes_.push_back({*token, generation.stops(*token) ? Verdict::kStop : Verdict::kContinue});
    made_.push_back({planned.request, std::move(event)});
  }
}

void EngineLoop::fail(GenerationId id, const Status& status) { failures_.try_emplace(id, status); }

/// Tokens of the step, each with the reason if it was the last of its choice.
void EngineLoop::tellTokens() {
  for (Made& made : made_) {
    const auto view = scheduler_->view(made.id, made.event.choice);
    auto found = generations_.find(made.id);
    if (found == generations_.end() || !view || failures_.contains(made.id)) continue;
    if (view->end == EndReason::kCancelled || view->end == EndReason::kFailed) continue;
    found->second->tellPrompt(view->cachedTokens, view->admittedAt - view->arrival);
    if (view->end == EndReason::kStop) made.event.finish = FinishReason::kStop;
    if (view->end == EndReason::kLength) made.event.finish = FinishReason::kLength;
    found->second->tell(std::move(made.event));
  }
  made_.clear();
}

/// Ends that came without a token, and what is over.
void EngineLoop::tellEnds() {
  for (const auto& [id, status] : failures_) {
    if (auto found = generations_.find(id); found != generations_.end()) {
      found->second->tell(server::ErrorEvent{status});
      scheduler_->cancel(id, now());
    }
  }
  for (const FinishedSequence& finished : scheduler_->takeFinished()) {
    auto found = generations_.find(finished.request);
    if (found == generations_.end()) continue;
    if (finished.reason == EndReason::kDeadline && !failures_.contains(finished.request))
      found->second->tell(FinishEvent{finished.choice, FinishReason::kAbort});
    if (!finished.last) continue;
    generations_.erase(found);
    scheduler_->collect(finished.request);
  }
  failures_.clear();
}

void EngineLoop::breakDown(const Status& status) {
  broken_.store(true);
  for (auto& [id, generation] : generations_) generation->tell(server::ErrorEvent{status});
  generations_.clear();
}

void EngineLoop::publishStats(uint32_t tokens) {
  const SchedulerStats now = scheduler_->stats();
  const std::lock_guard lock(statsMutex_);
  stats_.running = now.running;
  stats_.waiting = now.waiting;
  stats_.kvUsage = 1.0 - static_cast<double>(now.freePages + now.idlePages) / std::max(now.totalPages, 1u);
  stats_.kvPages = now.totalPages;
  stats_.kvPageTokens = kPageTokens;
  stats_.preemptions = now.preemptions;
  stats_.prefixCacheQueries = now.prefix.queries;
  stats_.prefixCacheHits = now.prefix.hits;
  if (tokens == 0) return;
  const auto* bucket = std::lower_bound(std::begin(server::kIterationTokenBounds),
                                        std::end(server::kIterationTokenBounds), static_cast<double>(tokens));
  ++stats_.iterationTokens[bucket - std::begin(server::kIterationTokenBounds)];
  stats_.iterationTokensSum += tokens;
}

}  // namespace llmc::rt::serving
