// What an answer's choices show: one event a token, or text that is gathered for the end.
#include <algorithm>
#include <numeric>
#include <utility>

#include "runtime/server/answer.h"
#include "runtime/server/api/answer_bounds.h"
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
  choice.preemptions = event.preemptions;
  if (event.logprobs) choice.logprob += static_cast<double>(event.logprobs->logprob);
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
  beginning_ = true;
  if (request_.stream && !exchange_->streaming()) exchange_->beginStream("text/event-stream; charset=utf-8");
  if (request_.echo && !request_.chat()) return echoPrompt(prompt, choices_[index]);
  if (const std::string* echoed = request_.echoedMessage()) choices_[index].whole = *echoed;
  Usage before = usageOf(prompt, choices_[index]);
  before.completionTokens = 0;
  if (request_.stream) format_->appendBegin(buffer_, index, textsOf(prompt), before);
}

/// The prompt goes out with the first piece of the choice, as vLLM sends it.
void Answer::echoPrompt(const PromptState& prompt, ChoiceState& choice) const {
  if (request_.sampling.logprobs >= 0) choice.logprobs.addPrompt(spelling_, prompt.ids, prompt.logprobs, prompt.text);
  choice.whole = prompt.text;
}

void Answer::show(PromptState& prompt, uint32_t index, std::string text, const TokenEvent* event) {
  ChoiceState& choice = choices_[index];
  if (event && event->logprobs && request_.sampling.logprobs >= 0) {
    choice.logprobs.add(spelling_, event->token, *event->logprobs);
    if (keepsLogprobs(request_)) shownLogprobs_ += 1 + event->logprobs->top.size();
  }
  choice.whole += text;
  if (event && request_.returnTokenIds) choice.ids.push_back(event->token);
  if (!request_.stream || waitsForMore(choice)) return;
  std::string ids;
  if (!choice.ids.empty()) appendIds(ids, choice.ids);
  choice.ids.clear();
  choice.sent = choice.text.tokens();
  const std::string logprobs = choice.logprobs.take();
  ChoiceText piece;
  piece.index = index;
  piece.text = choice.whole;
  piece.logprobs = logprobs;
  piece.tokenIds = ids;
  if (choice.text.tokens() <= 1) piece.prompt = textsOf(prompt);
  piece.finish = choice.text.finish();
  piece.stopReason = choice.text.stopReason();
  format_->appendPiece(buffer_, piece, usageOf(prompt, choice));
  choice.whole.clear();
}

/// As vLLM counts: the first token and the last one leave at once, others when there are enough of them.
bool Answer::waitsForMore(const ChoiceState& choice) const {
  return choice.text.finish() == FinishReason::kNone && choice.sent > 0 &&
         choice.text.tokens() - choice.sent < request_.streamInterval;
}

/// Of each prompt the likeliest answers, by the mean of their tokens, in the order that they have been made in.
std::vector<uint32_t> Answer::shownChoices() const {
  std::vector<uint32_t> shown;
  const auto mean = [&](uint32_t i) { return choices_[i].logprob / std::max(choices_[i].text.tokens(), 1u); };
  for (uint32_t first = 0; first < choices_.size(); first += request_.choices) {
    std::vector<uint32_t> order(request_.choices);
    std::iota(order.begin(), order.end(), first);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      const double left = mean(a), right = mean(b);
      return left != right ? left > right : a < b;
    });
    order.resize(request_.shown);
    std::sort(order.begin(), order.end());
    shown.insert(shown.end(), order.begin(), order.end());
  }
  return shown;
}

std::string Answer::wholeBody() {
  const std::vector<uint32_t> indices = shownChoices();
  std::vector<ChoiceText> shown(indices.size());
  std::vector<std::string> logprobs(indices.size()), ids(indices.size()), ofPrompts(prompts_.size());
  for (size_t i = 0; i < prompts_.size() && request_.promptLogprobs >= 0; ++i)
    appendPromptLogprobs(ofPrompts[i], spelling_, prompts_[i].ids, std::exchange(prompts_[i].logprobs, {}));
  for (uint32_t i = 0; i < indices.size(); ++i) {
    ChoiceState& choice = choices_[indices[i]];
    const PromptState& prompt = prompts_[indices[i] / request_.choices];
    logprobs[i] = choice.logprobs.take();
    if (request_.returnTokenIds) appendIds(ids[i], choice.ids);
    shown[i].index = i;
    shown[i].text = choice.whole;
    shown[i].logprobs = logprobs[i];
    shown[i].tokenIds = ids[i];
    shown[i].prompt = textsOf(prompt);
    shown[i].promptLogprobs = ofPrompts[indices[i] / request_.choices];
    shown[i].finish = choice.text.finish();
    shown[i].stopReason = choice.text.stopReason();
  }
  return format_->whole(shown, usage());
}

}  // namespace llmc::rt::server
