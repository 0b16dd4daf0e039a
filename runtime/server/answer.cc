// Life of an answer: start, events, end. What a choice shows is in answer_choices.cc.
#include "runtime/server/answer.h"

#include <algorithm>
#include <ctime>
#include <random>

#include "runtime/base/limits.h"
#include "runtime/server/api/answer_bounds.h"
#include "runtime/server/api/json_text.h"
#include "runtime/server/error_response.h"

namespace llmc::rt::server {
namespace {

Counter counterOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return Counter::kStop;
    case FinishReason::kLength:
      return Counter::kLength;
    case FinishReason::kRepetition:
      return Counter::kRepetition;
    default:
      return Counter::kAbort;
  }
}

uint64_t randomSeed() {
  thread_local std::mt19937_64 engine{uint64_t{std::random_device{}()} << 32 | std::random_device{}()};
  return engine();
}

/// Another one for each generation, the same ones in each run of a server with this seed.
uint64_t seedOf(std::optional<uint64_t> server, GenerationId id) {
  if (!server) return randomSeed();
  // A choice takes seed + its number: neighbours must be far apart (the finalizer of SplitMix64).
  uint64_t mixed = *server + id * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

LogprobStyle logprobStyle(Api api) {
  if (api == Api::kCompletions) return LogprobStyle::kArrays;
  return api == Api::kResponses ? LogprobStyle::kList : LogprobStyle::kContent;
}

double seconds(Answer::Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Answer::Answer(const AnswerServices& services, std::shared_ptr<Exchange> exchange, GenerateRequest request,
               std::vector<GenerationRequest> generations)
    : services_(services),
      exchange_(std::move(exchange)),
      request_(std::move(request)),
      generations_(std::move(generations)),
      spelling_{services.text.tokenizer, request_.tokensAsIds},
      format_(makeAnswerFormat(request_, exchange_->requestId, std::time(nullptr))),
      shard_(exchange_->io().index()),
      onlyPrompt_(request_.maxTokens && *request_.maxTokens == 0),
      arrived_(Clock::now()) {
  services_.load.fetch_add(1, std::memory_order_relaxed);
}

Answer::~Answer() = default;

void Answer::start(EventInbox& inbox) {
  // vLLM names the token that ends a beam, and of others the end of text not.
  const auto& named = request_.beamSearch ? services_.backend.facts().eosIds : request_.stopTokenIds;
  const auto stopIds = std::make_shared<const std::vector<int32_t>>(named);
  for (GenerationRequest& generation : generations_) {
    PromptState prompt;
    prompt.id = generation.id = services_.nextGeneration.fetch_add(1, std::memory_order_relaxed);
    prompt.tokens = generation.prompt.size();
    if (request_.returnTokenIds || request_.returnPromptText || request_.echo || request_.promptLogprobs >= 0)
      prompt.ids = generation.prompt;
    prompt.live = generation.choices;
    if (request_.returnTokenIds) appendIds(prompt.idsJson, prompt.ids);
    if (request_.echo && !request_.chat()) prompt.text = echoText(prompts_.size(), prompt.ids);
    if (request_.returnPromptText)
      if (const auto text = services_.text.tokenizer.decode(prompt.ids, /*skipSpecialTokens=*/false))
        appendQuoted(prompt.textJson, replaceInvalid(*text));
    promptTokens_ += prompt.tokens;
    for (uint32_t i = 0; i < generation.choices; ++i)
      choices_.emplace_back(AnswerChoice(services_.text.tokenizer, request_, stopIds), logprobStyle(request_.api));
    live_ += generation.choices;
    prompts_.push_back(std::move(prompt));
  }
  exchange_->promptTokens = promptTokens_;
  exchange_->listen(shared_from_this());
  ApiFault fault = checkRepeated();
  if (!fault) fault = submitAll(inbox);
  if (fault) fail(*fault);
}

ApiFault Answer::checkRepeated() const {
  uint64_t bytes = 0;
  for (const PromptState& prompt : prompts_)
    bytes += prompt.idsJson.size() + prompt.textJson.size() + prompt.text.size();
  // A chat's whole answer has one prompt beside its choices.
  if (request_.stream || !request_.chat()) bytes *= request_.shown;
  if (bytes <= limits::kRepeatedPromptBytes) return std::nullopt;
  const std::string field = request_.returnTokenIds     ? "return_token_ids"
                            : request_.returnPromptText ? "return_prompt_text"
                                                        : "echo";
  return invalidValue(field, "the answer would repeat " + std::to_string(bytes) +
                                 " bytes of its prompts, and the most is " +
                                 std::to_string(limits::kRepeatedPromptBytes) + "; leave out '" + field +
                                 "', or ask for fewer choices in a request");
}

/// A text as it was sent, unless tokens of it are cut off; what ids mean, special tokens included, as in vLLM.
std::string Answer::echoText(size_t index, const std::vector<int32_t>& ids) const {
  const auto* sent = std::get_if<std::string>(&request_.prompts[index]);
  if (sent && !request_.truncatePrompt) return *sent;
  auto text = services_.text.tokenizer.decode(ids, /*skipSpecialTokens=*/false);
  return text ? text.take() : std::string();
}

ApiFault Answer::submitAll(EventInbox& inbox) {
  const auto deadline = arrived_ + std::chrono::seconds(limits::kRequestSeconds);
  auto generations = std::exchange(generations_, {});
  for (uint32_t i = 0; i < generations.size(); ++i) {
    GenerationRequest& generation = generations[i];
    generation.requestId = exchange_->requestId;
    generation.traceparent = exchange_->request.header("traceparent");
    generation.apiKey = exchange_->apiKey;
    generation.deadline = deadline;
    generation.seeded = request_.seedGiven;
    if (!generation.seeded) generation.sampling.seed = seedOf(services_.seed, generation.id);
    prompts_[i].maxTokens = generation.maxTokens;
    Status status = submit(i, std::move(generation), inbox);
    // Those before this one are cancelled with the answer.
    if (!status) return faultOf(status);
  }
  return std::nullopt;
}

Status Answer::submit(uint32_t prompt, GenerationRequest generation, EventInbox& inbox) {
  if (!request_.beamSearch)
    return services_.backend.submit(std::move(generation), inbox.sink(shared_from_this(), prompt));
  auto tell = [self = weak_from_this(), prompt](GenerationEvent event) {
    if (const auto answer = self.lock()) answer->onEvent(prompt, std::move(event));
  };
  auto& beams = prompts_[prompt].beams;
  beams = std::make_shared<BeamGeneration>(services_.backend, services_.nextGeneration, std::move(generation), request_,
                                           std::move(tell));
  return beams->start(inbox);
}

ApiError Answer::faultOf(const Status& status) const {
  ApiError error = fromStatus(status);
  if (status.code() == kKvCapacity) error.param = request_.lengthField();
  if (error.retryAfter > 0) error.retryAfter = static_cast<int>(services_.backend.stats().retryAfterSeconds);
  return error;
}

void Answer::onEvent(uint32_t prompt, GenerationEvent event) {
  if (!exchange_ || building_) return;  // it ended while the event was on its way
  PromptState& state = prompts_[prompt];
  if (auto* started = std::get_if<PromptEvent>(&event)) {
    onPrompt(state, std::move(*started));
  } else if (auto* token = std::get_if<TokenEvent>(&event)) {
    onToken(prompt, std::move(*token));
  } else if (const auto* end = std::get_if<FinishEvent>(&event)) {
    const uint32_t index = prompt * request_.choices + end->choice;
    ChoiceState& choice = choices_[index];
    if (choice.text.finish() != FinishReason::kNone) return;
    std::string rest = choice.text.end(end->reason, end->stopToken);
    begin(state, index);
    show(state, index, std::move(rest), nullptr);
    choiceEnded(state, choice);
  } else if (const auto* error = std::get_if<ErrorEvent>(&event)) {
    if (error->status.code() == kBadLogits) count(Counter::kCorrupted);
    return fail(faultOf(error->status));
  }
  if (shownLogprobs_ > mostLogprobs(request_)) return fail(tooManyLogprobs(request_));
  if (live_ == 0) return finishAll();
  if (exchange_ && !buffer_.empty()) {
    if (std::exchange(beginning_, false)) firstBytes_ += buffer_.size();
    exchange_->write(buffer_);
    buffer_.clear();
    keepPace();
  }
}

void Answer::onPrompt(PromptState& prompt, PromptEvent event) {
  prompt.cached = event.cachedTokens;
  cachedTokens_ += event.cachedTokens;
  prompt.scheduled =
      arrived_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(event.queueSeconds));
  prompt.logprobs = std::move(event.logprobs);
  prompt.queueSeconds = event.queueSeconds;
  count(Counter::kPromptTokens, prompt.tokens);
  count(Counter::kCachedTokens, event.cachedTokens);
}

void Answer::observeToken(ChoiceState& choice, Clock::time_point now) {
  if (choice.text.tokens() == 1) {
    choice.first = now;
    observe(Histogram::kTimeToFirstToken, seconds(now - arrived_));
  } else if (!request_.beamSearch) {  // whose tokens all come at once, in the end
    observe(Histogram::kInterToken, seconds(now - choice.last));
  }
  choice.last = now;
  ++completionTokens_;
  count(Counter::kGenerationTokens);
}

void Answer::choiceEnded(PromptState& prompt, ChoiceState& choice) {
  --live_;
  --prompt.live;
  const FinishReason reason = choice.text.finish();
  count(counterOf(reason));
  if (exchange_) exchange_->finish = finishText(reason);
  const auto now = Clock::now();
  const auto tokens = choice.text.tokens();
  // For vLLM a choice is a request of its own, but for n and the longest answer.
  observe(Histogram::kRequestLatency, seconds(now - arrived_));
  observe(Histogram::kQueueTime, prompt.queueSeconds);
  observe(Histogram::kPromptTokens, static_cast<double>(prompt.tokens));
  observe(Histogram::kPrefillComputedTokens, static_cast<double>(prompt.tokens - prompt.cached));
  observe(Histogram::kParamMaxTokens, prompt.maxTokens);
  observe(Histogram::kGenerationTokens, tokens);
  observe(Histogram::kPreemptions, choice.preemptions);
  prompt.longest = std::max(prompt.longest, tokens);
  if (prompt.live == 0) {
    observe(Histogram::kMaxGenerationTokens, prompt.longest);
    observe(Histogram::kParamN, request_.choices);
  }
  if (tokens == 0) return;
  observe(Histogram::kInferenceTime, seconds(choice.last - prompt.scheduled));
  observe(Histogram::kPrefillTime, seconds(choice.first - prompt.scheduled));
  observe(Histogram::kDecodeTime, seconds(choice.last - choice.first));
  if (tokens > 1 && !request_.beamSearch)
    observe(Histogram::kTimePerOutputToken, seconds(choice.last - choice.first) / (tokens - 1));
}

void Answer::finishAll() {
  if (!request_.stream) return finishWhole();
  auto exchange = std::exchange(exchange_, nullptr);
  exchange->completionTokens = completionTokens_;
  format_->appendEnd(buffer_, usage());
  if (!exchange->streaming()) exchange->beginStream("text/event-stream; charset=utf-8");
  exchange->write(buffer_);
  exchange->endStream();
  services_.load.fetch_sub(1, std::memory_order_relaxed);
}

/// What the body will be made of, roughly; a log probability is 64 bytes of text.
uint64_t Answer::bodyBytes() const {
  uint64_t bytes = completionTokens_ * 8 + shownLogprobs_ * 64;
  for (const PromptState& prompt : prompts_) {
    bytes += (prompt.idsJson.size() + prompt.textJson.size() + prompt.text.size()) * request_.shown;
    bytes += prompt.logprobs.size() * static_cast<uint64_t>(request_.promptLogprobs + 1) * 64 * request_.shown;
  }
  return bytes;
}

void Answer::finishWhole() {
  if (bodyBytes() <= limits::kShortAnswerBytes) return respond(wholeBody());
  building_ = true;
  services_.apart([self = shared_from_this(), &io = exchange_->io()] {
    auto body = std::make_shared<std::string>(self->wholeBody());
    io.post([self, body] { self->respond(std::move(*body)); });
  });
}

void Answer::respond(std::string body) {
  if (!exchange_) return;  // the client left, or the deadline came, meanwhile
  auto exchange = std::exchange(exchange_, nullptr);
  exchange->completionTokens = completionTokens_;
  exchange->respond({200, std::move(body)});
  services_.load.fetch_sub(1, std::memory_order_relaxed);
}

void Answer::fail(const ApiError& error) {
  if (!exchange_) return;
  auto exchange = exchange_;
  stop("error");
  // Whom a full queue or the KV pool refuses has not begun; its status is in the counts of HTTP.
  if (error.status >= 500) count(Counter::kError);
  if (exchange->streaming()) {
    format_->appendError(buffer_, error);
    exchange->write(buffer_);
    exchange->abort();  // no end event, no last chunk: a client cannot take it for an answer
  } else {
    exchange->respond(errorResponse(*exchange, error));
  }
}

void Answer::stop(std::string_view finish) {
  exchange_->completionTokens = completionTokens_;
  exchange_->finish = finish;
  exchange_ = nullptr;
  cancelAll();
  services_.load.fetch_sub(1, std::memory_order_relaxed);
}

void Answer::cancelAll() {
  for (const PromptState& prompt : prompts_) {
    if (prompt.beams)
      prompt.beams->cancel();
    else if (prompt.live > 0)
      services_.backend.cancel(prompt.id);
  }
}

void Answer::onClosed() {
  if (!exchange_) return;
  count(Counter::kAbort, live_);
  stop("abort");
}

void Answer::onDeadline() {
  fail({504,
        "deadline_exceeded",
        "the request took longer than " + std::to_string(limits::kRequestSeconds) + " seconds; ask for fewer tokens",
        {}});
}

void Answer::onShutdown() {
  fail({503, "server_shutdown", "the server stops; send the request to another replica", {}});
}

void Answer::keepPace() {
  const size_t buffered = exchange_->buffered();
  if (buffered > 2 * limits::kSendBufferBytes + firstBytes_) {
    // The pause came too late or was not heeded; memory is not the client's to take.
    auto exchange = exchange_;
    count(Counter::kAbort, live_);
    stop("abort");
    exchange->abort();
  } else if (buffered > limits::kSendBufferBytes && !paused_) {
    paused_ = true;
    for (const PromptState& prompt : prompts_) services_.backend.pause(prompt.id);
  }
}

void Answer::onWritable() {
  if (!paused_ || !exchange_) return;
  paused_ = false;
  for (const PromptState& prompt : prompts_) services_.backend.resume(prompt.id);
}

Usage Answer::usage() const { return {promptTokens_, completionTokens_, cachedTokens_}; }

void Answer::count(Counter counter, uint64_t value) { services_.metrics.add(shard_, counter, value); }

void Answer::observe(Histogram histogram, double value) { services_.metrics.observe(shard_, histogram, value); }

}  // namespace llmc::rt::server
