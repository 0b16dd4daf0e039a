// Tokens to text for one choice.
#include "runtime/server/api/answer_choice.h"

#include <algorithm>

#include "runtime/server/api/json_text.h"

namespace llmc::rt::server {

AnswerChoice::AnswerChoice(const Tokenizer& tokenizer, const GenerateRequest& request,
                           std::shared_ptr<const std::vector<int32_t>> stopTokenIds)
    : stream_(tokenizer, request.skipSpecialTokens),
      matcher_(request.stops, request.includeStop),
      repetition_(request.repetition),
      stopTokenIds_(std::move(stopTokenIds)),
      minTokens_(request.sampling.minTokens),
      includeStop_(request.includeStop) {}

std::string AnswerChoice::match(std::string_view certain) {
  // As stop tokens, which are impossible before: what ends an answer comes behind its first min_tokens tokens.
  std::string shown = matcher_.push(certain, tokens_ > minTokens_);
  if (matcher_.stopped()) {
    finish_ = FinishReason::kStop;
    stopReason_.clear();
    appendQuoted(stopReason_, matcher_.found());
  }
  return shown;
}

std::string AnswerChoice::rest() {
  auto last = stream_.flush();
  std::string shown = last ? match(*last) : std::string();
  if (!matcher_.stopped()) shown += matcher_.flush();
  return shown;
}

std::string AnswerChoice::push(int32_t token, FinishReason reason) {
  ++tokens_;
  std::string shown;
  if (reason != FinishReason::kStop || includeStop_) {
    // An id that no token has adds no text.
    if (auto certain = stream_.push(token)) shown = match(*certain);
    if (finish_ != FinishReason::kNone) return shown;
  }
  if (repetition_.push(token) && reason == FinishReason::kNone && tokens_ >= minTokens_) {
    reason = FinishReason::kRepetition;
    stopReason_ = "\"repetition_detected\"";
  }
  if (reason == FinishReason::kNone) return shown;
  finish_ = reason;
  if (reason == FinishReason::kStop &&
      std::find(stopTokenIds_->begin(), stopTokenIds_->end(), token) != stopTokenIds_->end())
    stopReason_ = std::to_string(token);
  shown += rest();
  return shown;
}

std::string AnswerChoice::end(FinishReason reason, int32_t stopToken) {
  finish_ = reason;
  if (stopToken >= 0) stopReason_ = std::to_string(stopToken);
  return rest();
}

std::string_view finishText(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kRepetition:
      return "repetition";
    default:
      return "abort";
  }
}

}  // namespace llmc::rt::server
