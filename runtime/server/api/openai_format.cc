// Field order and null fields are vLLM's.
#include "runtime/server/api/openai_format.h"

#include "runtime/server/api/answer_choice.h"
#include "runtime/server/api/json_text.h"

namespace llmc::rt::server {
namespace {

void appendFinish(std::string& out, FinishReason reason) {
  if (reason == FinishReason::kNone)
    out += "null";
  else
    appendQuoted(out, finishText(reason));
}

void appendPrompt(std::string& out, const PromptTexts& prompt) {
  if (!prompt.tokenIds.empty()) (out += R"(,"prompt_token_ids":)") += prompt.tokenIds;
  if (!prompt.text.empty()) (out += R"(,"prompt_text":)") += prompt.text;
}

std::string_view orNull(std::string_view json) { return json.empty() ? std::string_view("null") : json; }

}  // namespace

void appendUsage(std::string& out, const Usage& usage) {
  out += R"({"prompt_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.promptTokens));
  out += R"(,"total_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.promptTokens + usage.completionTokens));
  out += R"(,"completion_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.completionTokens));
  out += R"(,"prompt_tokens_details":{"cached_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.cachedTokens));
  out += "}}";
}

OpenAiFormat::OpenAiFormat(bool chat, const AnswerHead& head, UsageEvents usageEvents)
    : chat_(chat), usageEvents_(usageEvents), role_(head.role) {
  const auto begin = [&](std::string_view object) {
    std::string out = chat ? R"({"id":"chatcmpl-)" : R"({"id":"cmpl-)";
    appendEscaped(out, head.id);
    ((out += R"(","object":")") += object) += R"(","created":)";
    appendNumber(out, head.created);
    out += R"(,"model":)";
    appendQuoted(out, head.model);
    return out += R"(,"choices":[)";
  };
  event_ = "data: " + begin(chat ? "chat.completion.chunk" : "text_completion");
  whole_ = begin(chat ? "chat.completion" : "text_completion");
}

void OpenAiFormat::closeEvent(std::string& out, const Usage& usage, bool shown) const {
  if (shown) {
    out += R"(,"usage":)";
    appendUsage(out, usage);
  }
  out += "}\n\n";
}

void OpenAiFormat::appendBegin(std::string& out, uint32_t index, const PromptTexts& prompt, const Usage& usage) {
  if (!chat_) return;
  out += event_;
  out += R"({"index":)";
  appendNumber(out, index);
  out += R"(,"delta":{"role":)";
  appendQuoted(out, role_);
  out += R"(,"content":""},"logprobs":null,"finish_reason":null}])";
  appendPrompt(out, prompt);
  closeEvent(out, usage, usageEvents_.each);
}

void OpenAiFormat::appendPiece(std::string& out, const ChoiceText& piece, const Usage& usage) {
  out += event_;
  out += R"({"index":)";
  appendNumber(out, piece.index);
  out += chat_ ? R"(,"delta":{"content":")" : R"(,"text":")";
  appendEscaped(out, piece.text);
  out += chat_ ? R"("},"logprobs":)" : R"(","logprobs":)";
  out += orNull(piece.logprobs);
  out += R"(,"finish_reason":)";
  appendFinish(out, piece.finish);
  if (piece.finish != FinishReason::kNone || !chat_) (out += R"(,"stop_reason":)") += piece.stopReason;
  if (!chat_) appendPrompt(out, piece.prompt);
  if (!piece.tokenIds.empty()) (out += R"(,"token_ids":)") += piece.tokenIds;
  out += "}]";
  closeEvent(out, usage, usageEvents_.each);
}

void OpenAiFormat::appendEnd(std::string& out, const Usage& usage) {
  if (usageEvents_.last) {
    out += event_;
    out += ']';
    closeEvent(out, usage, true);
  }
  out += "data: [DONE]\n\n";
}

void OpenAiFormat::appendError(std::string& out, const ApiError& error) {
  ((out += "data: ") += error.json()) += "\n\n";
}

void OpenAiFormat::appendChoice(std::string& out, const ChoiceText& choice) const {
  out += R"({"index":)";
  appendNumber(out, choice.index);
  if (chat_) {
    out += R"(,"message":{"role":)";
    appendQuoted(out, role_);
  }
  out += chat_ ? R"(,"content":)" : R"(,"text":)";
  appendQuoted(out, choice.text);
  if (chat_) out += R"(,"refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[]})";
  (out += R"(,"logprobs":)") += orNull(choice.logprobs);
  out += R"(,"finish_reason":)";
  appendFinish(out, choice.finish);
  (out += R"(,"stop_reason":)") += choice.stopReason;
  (out += R"(,"token_ids":)") += orNull(choice.tokenIds);
  if (!chat_) {
    (out += R"(,"prompt_logprobs":)") += orNull(choice.promptLogprobs);
    (out += R"(,"prompt_token_ids":)") += orNull(choice.prompt.tokenIds);
    if (!choice.prompt.text.empty()) (out += R"(,"prompt_text":)") += choice.prompt.text;
  }
  out += '}';
}

std::string OpenAiFormat::whole(std::span<const ChoiceText> choices, const Usage& usage) {
  std::string out = whole_;
  size_t bytes = 0;
  for (const ChoiceText& choice : choices)
    bytes += 512 + choice.text.size() + choice.logprobs.size() + choice.tokenIds.size() +
             choice.prompt.tokenIds.size() + choice.prompt.text.size() + choice.promptLogprobs.size();
  out.reserve(out.size() + bytes);
  for (const ChoiceText& choice : choices) {
    if (out.back() == '}') out += ',';
    appendChoice(out, choice);
  }
  out += R"(],"service_tier":null,"system_fingerprint":null,"usage":)";
  appendUsage(out, usage);
  if (chat_ && !choices.empty()) {
    // A chat has one prompt, so they stand beside the choices.
    (out += R"(,"prompt_logprobs":)") += orNull(choices.front().promptLogprobs);
    (out += R"(,"prompt_token_ids":)") += orNull(choices.front().prompt.tokenIds);
    (out += R"(,"prompt_text":)") += orNull(choices.front().prompt.text);
  }
  return out += R"(,"kv_transfer_params":null})";
}

}  // namespace llmc::rt::server
