// What an answer's choices show: one event a token, or text that is gathered for the end.
#include <utility>

#include "runtime/server/answer.h"
#include "runtime/server/api/json_text.h"

namespace llmc::rt::server {

void Answer::onToken(uint32_t prompt, TokenEvent event) {
  PromptState& state = prompts_[prompt];
  const uint32_t index = prompt * request_.choices + event.choice;
  ChoiceState& choice = choices_[index];
  if (choice.text.finish() != FinishReason::kNone) return;  // sent before the backend knew of the stop string
  if (onlyPrompt_) {
    (void)choice.text.end(FinishReason::kLength);
    begin(state, index);
    show(state, index, {}, nullptr);
    if (event.finish == FinishReason::kNone) services_.backend.cancel(state.id, event.choice);
    return choiceEnded(state, choice);
  }
  std::string text = choice.text.push(event.token, event.finish);
  observeToken(choice, Clock::now());
  begin(state, index);
  show(state, index, std::move(text), &event);
  if (choice.text.finish() == FinishReason::kNone) return;
  if (event.finish == FinishReason::kNone) services_.backend.cancel(state.id, event.choice);
  choiceEnded(state, choice);
}

void Answer::begin(PromptState& prompt, uint32_t index) {
  if (std::exchange(choices_[index].begun, true)) return;
  if (request_.stream && !exchange_->streaming()) exchange_->beginStream("text/event-stream; charset=utf-8");
  if (request_.echo) return echoPrompt(prompt, index);
  if (request_.stream) format_->appendBegin(buffer_, index, prompt.idsJson, usage());
}

void Answer::echoPrompt(PromptState& prompt, uint32_t index) {
  ChoiceState& choice = choices_[index];
  if (request_.sampling.logprobs >= 0) choice.logprobs.addPrompt(spelling_, prompt.ids, prompt.logprobs);
  if (!request_.stream) {
    choice.whole = prompt.text;
    return;
  }
  const std::string logprobs = choice.logprobs.take();
  ChoiceText piece;
  piece.index = index;
  piece.text = prompt.text;
  piece.logprobs = logprobs;
  piece.promptTokenIds = prompt.idsJson;
  format_->appendPiece(buffer_, piece, usage());
}

void Answer::show(PromptState& prompt, uint32_t index, std::string text, const TokenEvent* event) {
  ChoiceState& choice = choices_[index];
  if (event && event->logprobs) choice.logprobs.add(spelling_, event->token, *event->logprobs);
  if (!request_.stream) {
    choice.whole += text;
    if (event && request_.returnTokenIds) choice.ids.push_back(event->token);
    return;
  }
  std::string ids;
  if (event && request_.returnTokenIds) appendIds(ids, std::span(&event->token, 1));
  const std::string logprobs = choice.logprobs.take();
  ChoiceText piece;
  piece.index = index;
  piece.text = text;
  piece.logprobs = logprobs;
  piece.tokenIds = ids;
  if (choice.text.tokens() == 1 && !request_.echo) piece.promptTokenIds = prompt.idsJson;
  piece.finish = choice.text.finish();
  piece.stopReason = choice.text.stopReason();
  format_->appendPiece(buffer_, piece, usage());
}

std::string Answer::wholeBody() {
  std::vector<ChoiceText> shown(choices_.size());
  std::vector<std::string> logprobs(choices_.size()), ids(choices_.size());
  for (uint32_t i = 0; i < choices_.size(); ++i) {
    ChoiceState& choice = choices_[i];
    const PromptState& prompt = prompts_[i / request_.choices];
    logprobs[i] = choice.logprobs.take();
    if (request_.returnTokenIds) appendIds(ids[i], choice.ids);
    shown[i].index = i;
    shown[i].text = choice.whole;
    shown[i].logprobs = logprobs[i];
    shown[i].tokenIds = ids[i];
    shown[i].promptTokenIds = prompt.idsJson;
    shown[i].promptLogprobs = prompt.logprobsJson;
    shown[i].finish = choice.text.finish();
    shown[i].stopReason = choice.text.stopReason();
  }
  return format_->whole(shown, usage());
}

}  // namespace llmc::rt::server
