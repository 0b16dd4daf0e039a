// One thread makes a token for each live sequence and step.
#include "tests/server/mock_backend.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>

#include "tests/unit/runtime/text/small_tokenizer.h"

namespace llmc::rt::server::test {

ModelTextSource mockText() {
  return {rt::test::smallTokenizerJson(),
          "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
          "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}{{ suffix }}"};
}

MockBackend::MockBackend(MockOptions options) : options_(std::move(options)) {
  facts_.names = options_.names;
  facts_.context = options_.context;
  facts_.vocabulary = options_.vocabulary;
  facts_.priorities = true;
  facts_.eosIds = {options_.eosId};
  facts_.bosId = 263;
  facts_.addBos = true;
  thread_ = std::thread([this] { run(); });
}

MockBackend::~MockBackend() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Status MockBackend::submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) {
  auto sequence = std::make_shared<Sequence>();
  if (request.cacheSalt.starts_with("mock:")) {
    const size_t at = request.cacheSalt.find('@');
    sequence->command = request.cacheSalt.substr(5, at == std::string::npos ? at : at - 5);
    if (at != std::string::npos) sequence->number = static_cast<uint32_t>(std::stoul(request.cacheSalt.substr(at + 1)));
  }
  if (sequence->command == "full" && sequence->number > 0) retryAfter_ = sequence->number;
  if (sequence->command == "full") return Status::error(ErrorKind::kUnavailable, kQueueFull, "full");
  if (sequence->command == "kv") return Status::error(ErrorKind::kUsage, kKvCapacity, "needs 9 pages of 8; shorten it");
  if (sequence->command == "down") return Status::error(ErrorKind::kDeviceFault, "RT_DEVICE", "secret detail");
  sequence->sink = std::move(sink);
  sequence->submitted = std::chrono::steady_clock::now();
  sequence->made.resize(request.choices);
  sequence->finished.resize(request.choices);
  sequence->cancelledChoices = std::vector<std::atomic<uint8_t>>(request.choices);
  sequence->first = static_cast<uint64_t>(std::accumulate(request.prompt.begin(), request.prompt.end(), int64_t{0}));
  sequence->request = std::move(request);
  if (!options_.say.empty()) {
    std::ifstream file(options_.say, std::ios::binary);
    sequence->text.assign(std::istreambuf_iterator<char>(file), {});
  }
  const std::lock_guard lock(mutex_);
  if (sequences_.size() >= size_t{options_.mostRunning} + options_.mostWaiting)
    return Status::error(ErrorKind::kUnavailable, kQueueFull, "full");
  last_ = sequence->request;
  sequences_[sequence->request.id] = sequence;
  fresh_.push_back(std::move(sequence));
  ++submitted_;
  wake_.notify_one();
  return Status::ok();
}

GenerationRequest MockBackend::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

void MockBackend::cancel(GenerationId id, uint32_t choice) {
  const std::lock_guard lock(mutex_);
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  if (choice == kAllChoices) {
    ++cancelled_;
    found->second->cancelled = true;
  } else {
    found->second->cancelledChoices[choice] = 1;
  }
  wake_.notify_one();
}

void MockBackend::pause(GenerationId id) {
  const std::lock_guard lock(mutex_);
  ++paused_;
  if (const auto found = sequences_.find(id); found != sequences_.end()) found->second->paused = true;
}

void MockBackend::resume(GenerationId id) {
  const std::lock_guard lock(mutex_);
  if (const auto found = sequences_.find(id); found != sequences_.end()) found->second->paused = false;
  wake_.notify_one();
}

BackendStats MockBackend::stats() const {
  BackendStats stats;
  const std::lock_guard lock(mutex_);
  stats.running = running_.load();
  stats.retryAfterSeconds = retryAfter_;
  stats.waiting = static_cast<uint32_t>(sequences_.size()) - std::min<uint32_t>(stats.running, sequences_.size());
  stats.iterationTokens[kIterationTokenBuckets - 1] = steps_.load();
  stats.iterationTokensSum = tokens_.load();
  return stats;
}

void MockBackend::start(Sequence& sequence) {
  sequence.started = true;
  PromptEvent event;
  if (sequence.command == "cached") event.cachedTokens = sequence.number;
  event.queueSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - sequence.submitted).count();
  if (sequence.request.promptLogprobs >= 0)
    for (size_t i = 1; i < sequence.request.prompt.size(); ++i) {
      PositionLogprobs one{-1.5f, 2, {}};
      for (int32_t k = 0; k < sequence.request.promptLogprobs; ++k)
        one.top.emplace_back(k + 65, -0.5f - static_cast<float>(k));
      event.logprobs.push_back(std::move(one));
    }
  sequence.sink->deliver(std::move(event));
}

TokenEvent MockBackend::token(Sequence& sequence, uint32_t choice) {
  const GenerationRequest& request = sequence.request;
  const uint32_t index = sequence.made[choice]++;
  TokenEvent event;
  event.choice = choice;
  event.token = static_cast<int32_t>('a' + (sequence.first + choice + index) % 26);
  if (const auto& allowed = request.sampling.allowedIds; !allowed.empty())
    event.token = allowed[index % allowed.size()];
  if (const std::string& text = sequence.text; !text.empty())
    event.token = index < text.size() ? static_cast<unsigned char>(text[index]) : options_.eosId;
  if (options_.eosAfter > 0 && index + 1 > options_.eosAfter) event.token = options_.eosId;
  const bool stops = index + 1 > request.sampling.minTokens &&
                     std::find(request.stopIds.begin(), request.stopIds.end(), event.token) != request.stopIds.end();
  if (stops)
    event.finish = FinishReason::kStop;
  else if (index + 1 >= request.maxTokens)
    event.finish = FinishReason::kLength;
  if (request.sampling.logprobs >= 0) {
    event.logprobs = std::make_unique<TokenLogprobs>();
    event.logprobs->logprob = -0.25f / static_cast<float>(1 + choice);  // the last answer is the likeliest
    for (const int32_t id : request.sampling.logprobIds) event.logprobs->top.emplace_back(id, -3.0f);
    if (!request.sampling.logprobIds.empty()) return event;
    for (int32_t k = 0; k < request.sampling.logprobs; ++k)
      event.logprobs->top.emplace_back(k == 0 ? event.token : 64 + k, k == 0 ? -0.25f : -2.0f - static_cast<float>(k));
  }
  return event;
}

bool MockBackend::step(Sequence& sequence) {
  if (sequence.cancelled) return false;
  if (sequence.command == "hang" || sequence.paused) return true;
  if (!sequence.started) start(sequence);
  bool live = false;
  for (uint32_t choice = 0; choice < sequence.request.choices; ++choice) {
    if (sequence.cancelledChoices[choice].load()) sequence.finished[choice] = 1;
    if (sequence.finished[choice]) continue;
    if (sequence.made[choice] == sequence.number && (sequence.command == "fail" || sequence.command == "nan")) {
      const bool nan = sequence.command == "nan";
      sequence.sink->deliver(ErrorEvent{Status::error(nan ? ErrorKind::kInternal : ErrorKind::kDeviceFault,
                                                      nan ? "RT_LOGITS" : "RT_DEVICE", "secret detail")});
      return false;
    }
    if (sequence.made[choice] == sequence.number && sequence.command == "abort") {
      sequence.finished[choice] = 1;
      sequence.sink->deliver(FinishEvent{choice, FinishReason::kAbort});
      continue;
    }
    TokenEvent event = token(sequence, choice);
    sequence.finished[choice] = event.finish != FinishReason::kNone;
    live = live || !sequence.finished[choice];
    ++tokens_;
    sequence.sink->deliver(std::move(event));
  }
  return live;
}

void MockBackend::run() {
  std::vector<std::shared_ptr<Sequence>> live;
  auto next = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stop_) {
    while (!fresh_.empty() && live.size() < options_.mostRunning) {
      live.push_back(std::move(fresh_.front()));
      fresh_.erase(fresh_.begin());
    }
    running_ = static_cast<uint32_t>(live.size());
    if (live.empty()) {
      wake_.wait(lock, [&] { return stop_ || !fresh_.empty(); });
      continue;
    }
    const uint64_t before = tokens_;
    lock.unlock();
    std::vector<GenerationId> ended;
    std::erase_if(live, [&](const auto& sequence) {
      const bool goesOn = step(*sequence);
      if (!goesOn) ended.push_back(sequence->request.id);
      return !goesOn;
    });
    ++steps_;
    lock.lock();
    for (const GenerationId id : ended) sequences_.erase(id);
    running_ = static_cast<uint32_t>(live.size());
    next = std::max(next + options_.step, std::chrono::steady_clock::now() - options_.step);
    // With nothing but paused sequences there is nothing to do; a look now and then finds those that go on.
    if (tokens_ == before) next = std::max(next, std::chrono::steady_clock::now() + std::chrono::milliseconds(1));
    if (next > std::chrono::steady_clock::now()) wake_.wait_until(lock, next, [&] { return stop_; });
  }
}

}  // namespace llmc::rt::server::test
