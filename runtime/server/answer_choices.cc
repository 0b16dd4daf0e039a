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
  if (onlyEcho_) {
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

void Answer::echoPrompt(PromptState& prompt, ChoiceState& choice, std::string& text) {
  text = prompt.text;
  if (request_.sampling.logprobs < 0) return;
  choice.logprobs.addFirst(spelling_, prompt.ids.front(), choice.offset);
  for (size_t i = 0; i < prompt.logprobs.size() && i + 1 < prompt.ids.size(); ++i)
    choice.logprobs.add(spelling_, prompt.ids[i + 1], prompt.logprobs[i].logprob, prompt.logprobs[i].top,
                        choice.offset);
}

void Answer::begin(PromptState& prompt, uint32_t index) {
  ChoiceState& choice = choices_[index];
  if (std::exchange(choice.begun, true)) return;
  if (request_.stream && !exchange_->streaming()) exchange_->beginStream("text/event-stream; charset=utf-8");
  const Usage now = usage();
  const Usage* shown = request_.continuousUsage ? &now : nullptr;
  std::string text;
  if (request_.chat) {
    if (request_.stream) writer_->appendRole(buffer_, index, prompt.idsJson, shown);
    return;
  }
  if (!request_.echo) return;
  echoPrompt(prompt, choice, text);
  if (!request_.stream) {
    choice.whole = std::move(text);
    return;
  }
  std::string logprobs;
  if (!choice.logprobs.empty()) choice.logprobs.append(logprobs);
  choice.logprobs.clear();
  ChoiceText piece;
  piece.index = index;
  piece.text = text;
  piece.logprobs = logprobs;
  piece.promptTokenIds = prompt.idsJson;
  writer_->appendPiece(buffer_, piece, shown);
}

void Answer::gather(ChoiceState& choice, std::string text, const TokenEvent* event) {
  choice.whole += text;
  if (!event) return;
  if (request_.returnTokenIds) choice.ids.push_back(event->token);
  if (!event->logprobs) return;
  if (request_.chat) {
    choice.chatLogprobs += choice.chatLogprobs.empty() ? R"({"content":[)" : ",";
    appendChatLogprob(choice.chatLogprobs, spelling_, event->token, *event->logprobs);
  } else {
    choice.logprobs.add(spelling_, event->token, event->logprobs->logprob, event->logprobs->top, choice.offset);
  }
}

void Answer::show(PromptState& prompt, uint32_t index, std::string text, const TokenEvent* event) {
  ChoiceState& choice = choices_[index];
  if (!request_.stream) return gather(choice, std::move(text), event);
  std::string logprobs, ids;
  if (event && event->logprobs && request_.chat) {
    logprobs = R"({"content":[)";
    appendChatLogprob(logprobs, spelling_, event->token, *event->logprobs);
    logprobs += "]}";
  } else if (event && event->logprobs) {
    choice.logprobs.add(spelling_, event->token, event->logprobs->logprob, event->logprobs->top, choice.offset);
    choice.logprobs.append(logprobs);
    choice.logprobs.clear();
  }
  if (event && request_.returnTokenIds) appendIds(ids, std::span(&event->token, 1));
  ChoiceText piece;
  piece.index = index;
  piece.text = text;
  piece.logprobs = logprobs;
  piece.tokenIds = ids;
  if (choice.text.tokens() == 1 && !request_.echo) piece.promptTokenIds = prompt.idsJson;
  piece.finish = choice.text.finish();
  piece.stopReason = choice.text.stopReason();
  if (!request_.continuousUsage) return writer_->appendPiece(buffer_, piece, nullptr);
  const Usage now = usage();
  writer_->appendPiece(buffer_, piece, &now);
}

std::string Answer::wholeBody() {
  std::vector<ChoiceText> shown(choices_.size());
  std::vector<std::string> logprobs(choices_.size()), ids(choices_.size());
  for (uint32_t i = 0; i < choices_.size(); ++i) {
    ChoiceState& choice = choices_[i];
    const PromptState& prompt = prompts_[i / request_.choices];
    if (!choice.chatLogprobs.empty())
      logprobs[i] = choice.chatLogprobs + "]}";
    else if (!choice.logprobs.empty())
      choice.logprobs.append(logprobs[i]);
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
  return writer_->whole(shown, usage());
}

}  // namespace llmc::rt::server
