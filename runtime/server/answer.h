// One request while it is answered: submits its prompts, turns events into text, and minds the reader's pace.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/server/api/answer_choice.h"
#include "runtime/server/api/answer_format.h"
#include "runtime/server/api/generate_request.h"
#include "runtime/server/api/logprobs_text.h"
#include "runtime/server/api/prompt_encoder.h"
#include "runtime/server/backend.h"
#include "runtime/server/beam_generation.h"
#include "runtime/server/event_inbox.h"
#include "runtime/server/http/exchange.h"
#include "runtime/server/metrics.h"

namespace llmc::rt::server {

/// What answers share; all of it outlives them.
struct AnswerServices {
  Backend& backend;
  const ModelText& text;
  Metrics& metrics;
  std::atomic<uint64_t>& nextGeneration;
  std::atomic<uint32_t>& load;                              ///< requests being answered
  std::optional<uint64_t> seed;                             ///< of requests that bring none; unset: random
  const std::function<void(std::function<void()>)>& apart;  ///< runs what would hold up an I/O thread on another one
};

/// Belongs to the exchange's I/O thread. Shared by the exchange (as its listener) and by the sinks of the backend.
class Answer : public EventTarget, public ExchangeListener, public std::enable_shared_from_this<Answer> {
 public:
  using Clock = std::chrono::steady_clock;

  Answer(const AnswerServices& services, std::shared_ptr<Exchange> exchange, GenerateRequest request,
         std::vector<GenerationRequest> generations);
  ~Answer() override;

  /// Hands all prompts to the backend, or answers with the error and starts none. `inbox` is that of the I/O thread.
  void start(EventInbox& inbox);

  void onEvent(uint32_t prompt, GenerationEvent event) override;
  void onClosed() override;
  void onWritable() override;
  void onDeadline() override;
  void onShutdown() override;
  /// Ends with an error: in the stream, or as the answer.
  void fail(const ApiError& error);

 private:
  struct PromptState {
    GenerationId id = 0;
    uint64_t tokens = 0;
    std::vector<int32_t> ids;  ///< when the answer shows something of them
    std::string idsJson;       ///< when token ids were asked for
    std::string text;          ///< for echo
    std::string textJson;      ///< when the prompt's text was asked for: special tokens are in it
    std::vector<PositionLogprobs> logprobs;
    uint32_t cached = 0;
    uint32_t live = 0;                      ///< choices that go on
    uint32_t longest = 0;                   ///< tokens of the longest choice that has ended
    std::shared_ptr<BeamGeneration> beams;  ///< null: the backend answers it
    uint32_t maxTokens = 0;
    double queueSeconds = 0;
    Clock::time_point scheduled;
  };
  struct ChoiceState {
    ChoiceState(AnswerChoice choice, LogprobStyle style) : text(std::move(choice)), logprobs(style) {}
    AnswerChoice text;
    ChoiceLogprobs logprobs;
    bool begun = false;
    Clock::time_point first, last;
    std::string whole;         ///< text that is not sent yet
    std::vector<int32_t> ids;  ///< the same, when they were asked for
    uint32_t sent = 0;         ///< tokens of a stream whose events have left
    uint32_t preemptions = 0;
    double logprob = 0;  ///< sum over the tokens, while answers compete
  };

  ApiFault submitAll(EventInbox& inbox);
  Status submit(uint32_t prompt, GenerationRequest generation, EventInbox& inbox);
  ApiError faultOf(const Status& status) const;
  void onPrompt(PromptState& prompt, PromptEvent event);
  void onToken(uint32_t prompt, TokenEvent event);
  void begin(PromptState& prompt, uint32_t index);
  static PromptTexts textsOf(const PromptState& prompt) { return {prompt.idsJson, prompt.textJson}; }
  void echoPrompt(const PromptState& prompt, ChoiceState& choice) const;
  std::string echoText(size_t index, const std::vector<int32_t>& ids) const;
  void show(PromptState& prompt, uint32_t index, std::string text, const TokenEvent* event);
  bool waitsForMore(const ChoiceState& choice) const;
  void observeToken(ChoiceState& choice, Clock::time_point now);
  void choiceEnded(PromptState& prompt, ChoiceState& choice);
  void finishAll();
  void finishWhole();
  void respond(std::string body);
  uint64_t bodyBytes() const;
  ApiFault checkRepeated() const;
  std::string wholeBody();
  std::vector<uint32_t> shownChoices() const;
  void cancelAll();
  void stop(std::string_view finish);
  void keepPace();
  Usage usage() const;  ///< of all prompts and choices
  /// Of one choice until now, as vLLM's events of a stream say it.
  static Usage usageOf(const PromptState& prompt, const ChoiceState& choice) {
    return {prompt.tokens, choice.text.tokens(), prompt.cached};
  }
  void count(Counter counter, uint64_t value = 1);
  void observe(Histogram histogram, double value);

  const AnswerServices services_;
  std::shared_ptr<Exchange> exchange_;  ///< null once the answer ended
  const GenerateRequest request_;
  std::vector<GenerationRequest> generations_;  ///< until they are submitted
  const TokenSpelling spelling_;
  const std::unique_ptr<AnswerFormat> format_;
  std::vector<PromptState> prompts_;
  std::vector<ChoiceState> choices_;
  uint32_t live_ = 0;
  uint64_t promptTokens_ = 0, completionTokens_ = 0, cachedTokens_ = 0;
  bool paused_ = false;
  bool building_ = false;       ///< the whole body, on another thread: choices and prompts are that one's
  bool beginning_ = false;      ///< buffer_ holds the first event of a choice
  uint64_t firstBytes_ = 0;     ///< of the first events of choices, which may hold whole prompts
  uint64_t shownLogprobs_ = 0;  ///< of the tokens until now, where they are kept
  const uint32_t shard_;        ///< of the metrics
  const bool onlyPrompt_;       ///< no token of the answer is shown
  Clock::time_point arrived_;
  std::string buffer_;  ///< events of the call that runs
};

}  // namespace llmc::rt::server
