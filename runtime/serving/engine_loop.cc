// commands -> plan -> moves and batch -> samples -> complete -> events, until there is nothing to do.
#include "runtime/serving/engine_loop.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/format/digest.h"

namespace llmc::rt::serving {

using server::FinishEvent;
using server::FinishReason;
using server::GenerationId;

namespace {

/// While generations are paused or wait for a deadline, somebody has to look at the clock.
constexpr std::chrono::milliseconds kWatch{50}, kSettle{1000}, kSleep{3'600'000};

Status brokenStatus() { return Status::error(ErrorKind::kInternal, "SV_BROKEN", "the engine has failed; restart it"); }

uint64_t randomWord() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

EngineLoop::EngineLoop(Executor& executor, KvStore& kv, server::ModelFacts facts, uint32_t maxQueue,
                       std::unique_ptr<Scheduler> scheduler, LoopExtras extras)
    : executor_(executor),
      kv_(kv),
      facts_(std::move(facts)),
      maxQueue_(maxQueue),
      freePlaces_(scheduler->freePlaces()),
      scheduler_(std::move(scheduler)),
      extras_(std::move(extras)),
      sampler_(executor.pool(), executor.vocabulary()),
      flights_{Flight(executor.vocabulary()), Flight(executor.vocabulary())},
      saltSecret_{randomWord(), randomWord()} {
  const size_t most = executor.limits().maxSequences;
  outcomes_.reserve(most);
  made_.reserve(most);
  tasks_.reserve(most);
  ended_.reserve(most);
}

Result<std::unique_ptr<EngineLoop>> EngineLoop::create(Executor& executor, KvStore& kv, server::ModelFacts facts,
                                                       SchedulerConfig config, LoopExtras extras) {
  config.hostPages = extras.host ? extras.host->pages() : 0;
  facts.mostAtOnce = config.maxQueue + config.limits.maxSequences;
  auto scheduler = Scheduler::create(config);
  if (!scheduler) return scheduler.takeStatus();
  std::unique_ptr<EngineLoop> loop(
      new EngineLoop(executor, kv, std::move(facts), config.maxQueue, scheduler.take(), std::move(extras)));
  loop->stats_.prefixCache = config.prefixCache;
  loop->stats_.hostPages = config.hostPages;
  return loop;
}

double EngineLoop::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

// --- any thread ---

Status EngineLoop::submit(server::GenerationRequest request, std::shared_ptr<server::GenerationSink> sink) {
  if (broken_.load()) return brokenStatus();
  const uint64_t tokens = request.prompt.size() + request.maxTokens;
  // One answer must fit alone. Several take turns where they do not fit together.
  const uint64_t pages = (tokens + kPageTokens - 1) / kPageTokens;
  if (pages > kv_.pages())
    return Status::error(ErrorKind::kUnavailable, server::kKvCapacity,
                         "an answer of " + std::to_string(tokens) + " tokens, prompt included, needs " +
                             std::to_string(pages) + " KV pages, and there are " + std::to_string(kv_.pages()) +
                             " (--kv-memory)",
                         "ask for at most " + std::to_string(kv_.pages() * kPageTokens) + " tokens");
  const auto full = [&] {
    const std::lock_guard lock(statsMutex_);
    return uint64_t{stats_.waiting} + inbox_.submits() >= uint64_t{maxQueue_} + freePlaces_;
  };
  if (!request.goesOn && full())
    return Status::error(ErrorKind::kUnavailable, server::kQueueFull,
                         std::to_string(maxQueue_) + " requests are waiting");
  Command command;
  command.id = request.id;
  command.request = std::move(request);
  command.sink = std::move(sink);
  command.arrival = std::chrono::steady_clock::now();
  return inbox_.push(std::move(command)) ? Status::ok() : brokenStatus();
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
  Status status = serve();
  const std::lock_guard lock(judging_);
  over_ = true;
  return status;
}

Status EngineLoop::serve() {
  std::vector<Command> commands;
  while (inbox_.take(commands)) {
    if (heart_.turn() && extras_.woke) extras_.woke();
    apply(commands);
    if (Status status = step(); !status) {
      breakDown(status);
      return status;
    }
  }
  land();
  if (!extras_.trace) return Status::ok();
  extras_.trace->decisions(scheduler_->trace());
  return extras_.trace->flush();
}

void EngineLoop::apply(std::vector<Command>& commands) {
  for (Command& command : commands) {
    switch (command.kind) {
      case Command::Kind::kSubmit:
        admit(command);
        ++unsettled_;
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
  spec.logits = generation->needsLogits();
  spec.exact = request.seeded && executor_.exactSteps();
  spec.goesOn = request.goesOn;
  spec.owner = generation.get();
  const double arrival = std::max(std::chrono::duration<double>(command.arrival - start_).count(), 0.0);
  if (extras_.trace)
    extras_.trace->request(spec.id, request.requestId, request.traceparent, static_cast<uint32_t>(spec.prompt.size()),
                           spec.choices, arrival);
  if (Status status = scheduler_->submit(std::move(spec), arrival); !status) {
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

Status EngineLoop::move(std::span<const PageMove> moves) {
  for (const PageMove& move : moves) {
    switch (move.kind) {
      case PageMove::Kind::kCopy:
        LLMC_TRY(kv_.copyPage(move.from, move.to));
        break;
      case PageMove::Kind::kSwapOut:
        LLMC_TRY(extras_.host->copyPageOf(kv_, move.from, move.to));
        break;
      case PageMove::Kind::kSwapIn:
        LLMC_TRY(kv_.copyPageOf(*extras_.host, move.from, move.to));
        break;
      case PageMove::Kind::kClear:
        LLMC_TRY(kv_.clearPage(move.to));
        break;
    }
  }
  return Status::ok();
}

/// Nothing to run: ends are told, and the thread sleeps once the memory that a server has ahead is ready.
void EngineLoop::rest() {
  tellEnds();
  publishStats(0);
  wakeTakers();
  if (extras_.trace) {
    extras_.trace->decisions(scheduler_->trace());
    flushTrace();
  }
  heart_.enter(LoopPhase::kPrepare);
  if (extras_.memory && generations_.empty() && extras_.memory->advance()) return;
  heart_.rest();
  if (!generations_.empty()) {
    inbox_.wait(kWatch);
  } else if (!inbox_.wait(kSettle)) {
    if (extras_.settled) extras_.settled();
    inbox_.wait(kSleep);
  }
}

void EngineLoop::fail(GenerationId id, const Status& status) {
  if (!failures_.try_emplace(id, status).second || status.kind() != ErrorKind::kInternal || !extras_.notice) return;
  const auto found = generations_.find(id);
  const std::string name = found == generations_.end() ? "" : escaped(found->second->request().requestId);
  extras_.notice("request " + (name.empty() ? std::to_string(id) : name) + " failed: " + status.toString());
}

/// Tokens of the step, each with the reason if it was the last of its choice.
void EngineLoop::tellTokens() {
  for (size_t i = 0; i < made_.size(); ++i) {
    Made& made = made_[i];
    if (!made.generation) continue;
    const EndReason end = scheduler_->endOfSample(i);
    if (made.failed || (!failures_.empty() && failures_.contains(made.id))) continue;
    if (end == EndReason::kCancelled || end == EndReason::kFailed) continue;
    if (!made.generation->promptTold()) {
      const auto view = *scheduler_->view(made.id, made.event.choice);
      made.generation->tellPrompt(view.cachedTokens, view.admittedAt - view.arrival);
    }
    made.event.preemptions = scheduler_->preemptionsOfSample(i);
    if (end == EndReason::kStop) made.event.finish = FinishReason::kStop;
    if (end == EndReason::kLength) made.event.finish = FinishReason::kLength;
    made.generation->tellQuietly(std::move(made.event));
  }
}

/// Last of a step: whoever hears of an end finds it in the numbers, and the step's work is done before others want its
/// CPU.
void EngineLoop::wakeTakers() {
  for (Made& made : made_)
    if (made.generation) made.generation->wake();
  made_.clear();
  ended_.clear();
}

/// Ends that came without a token, and what is over.
void EngineLoop::tellEnds() {
  for (const auto& [id, status] : failures_) {
    if (auto found = generations_.find(id); found != generations_.end()) {
      found->second->tellFailure(status);
      scheduler_->cancel(id, now());
    }
  }
  for (const FinishedSequence& finished : scheduler_->takeFinished()) {
    auto found = generations_.find(finished.request);
    if (found == generations_.end()) continue;
    if (finished.reason == EndReason::kDeadline && !found->second->failed())
      found->second->tell(FinishEvent{finished.choice, FinishReason::kAbort});
    if (!finished.last) continue;
    ended_.push_back(std::move(found->second));
    generations_.erase(found);
    scheduler_->collect(finished.request);
  }
  failures_.clear();
}

/// A device writes to memory of its steps until they are done; what comes of them is nobody's.
void EngineLoop::land() {
  while (executor_.underWay() > 0) (void)executor_.finish();
}

void EngineLoop::breakDown(const Status& status) {
  broken_.store(true);
  land();
  for (auto& [id, generation] : generations_) generation->tell(server::ErrorEvent{status});
  generations_.clear();
  // Who came during the step that failed waits for an answer, too.
  for (Command& command : inbox_.abandon())
    if (command.kind == Command::Kind::kSubmit)
      Generation(std::move(command.request), std::move(command.sink), executor_.vocabulary())
          .tell(server::ErrorEvent{status});
}

/// Before the step, not after it: submit() would let in as many again as came and count on the numbers of the step
/// before, and who came too late would hear so only when this step is over.
void EngineLoop::publishQueue() {
  {
    const std::lock_guard lock(statsMutex_);
    stats_.waiting = scheduler_->waiting();
    freePlaces_ = scheduler_->freePlaces();
  }
  inbox_.settle(std::exchange(unsettled_, 0));
}

void EngineLoop::publishStats(uint32_t tokens) {
  const SchedulerStats now = scheduler_->stats();
  const std::lock_guard lock(statsMutex_);
  stats_.running = now.running;
  stats_.waiting = now.waiting;
  freePlaces_ = scheduler_->freePlaces();
  stats_.swapped = now.swapped;
  stats_.deferred = now.deferred;
  if (extras_.host) stats_.hostUsage = 1.0 - static_cast<double>(now.freeHostPages) / extras_.host->pages();
  stats_.kvUsage = 1.0 - static_cast<double>(now.freePages + now.idlePages) / std::max(now.totalPages, 1u);
  stats_.kvPages = now.totalPages;
  stats_.kvPageTokens = kPageTokens;
  stats_.retryAfterSeconds = scheduler_->retryAfterSeconds();
  stats_.preemptions = now.preemptions;
  stats_.recomputedTokens = now.recomputedTokens;
  stats_.prefixCacheQueries = now.prefix.queries;
  stats_.prefixCacheHits = now.prefix.hits;
  if (tokens == 0) return;
  const auto* bucket = std::lower_bound(std::begin(server::kIterationTokenBounds),
                                        std::end(server::kIterationTokenBounds), static_cast<double>(tokens));
  ++stats_.iterationTokens[bucket - std::begin(server::kIterationTokenBounds)];
  stats_.iterationTokensSum += tokens;
}

}  // namespace llmc::rt::serving
