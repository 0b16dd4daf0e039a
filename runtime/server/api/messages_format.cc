// Events in the order of Anthropic's streaming documentation.
#include "runtime/server/api/messages_format.h"

#include "runtime/server/api/json_text.h"

namespace llmc::rt::server {
namespace {

void appendEvent(std::string& out, std::string_view type, std::string_view fields) {
  ((out += "event: ") += type) += "\ndata: {\"type\":\"";
  (((out += type) += '"') += fields) += "}\n\n";
}

/// Tokens from the cache are not input tokens here: the input is the sum of the three.
std::string usageField(const Usage& usage) {
  std::string out = R"("usage":{"input_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.promptTokens - usage.cachedTokens));
  out += R"(,"cache_creation_input_tokens":0,"cache_read_input_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.cachedTokens));
  out += R"(,"output_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.completionTokens));
  return out + '}';
}

/// "stop_reason" and "stop_sequence". An answer that the engine gave up may be sent back to go on with: a paused turn.
std::string stopFields(FinishReason finish, std::string_view stopReason) {
  const bool sequence = finish == FinishReason::kStop && stopReason.starts_with('"');
  const char* reason = sequence                          ? "stop_sequence"
                       : finish == FinishReason::kStop   ? "end_turn"
                       : finish == FinishReason::kLength ? "max_tokens"
                                                         : "pause_turn";
  std::string out = R"("stop_reason":")" + std::string(reason) + R"(","stop_sequence":)";
  return out += sequence ? stopReason : std::string_view("null");
}

}  // namespace

MessagesFormat::MessagesFormat(const AnswerHead& head) {
  head_ = R"({"id":"msg_)";
  appendEscaped(head_, head.id);
  head_ += R"(","type":"message","role":"assistant","model":)";
  appendQuoted(head_, head.model);
  head_ += R"(,"content":[)";
}

void MessagesFormat::appendBegin(std::string& out, uint32_t, const PromptTexts&, const Usage& usage) {
  Usage before = usage;
  before.completionTokens = 0;
  appendEvent(out, "message_start", R"(,"message":)" + head_ + "]," + stop_ + ',' + usageField(before) + '}');
  appendEvent(out, "content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})");
  appendEvent(out, "ping", {});
}

void MessagesFormat::appendPiece(std::string& out, const ChoiceText& piece, const Usage&) {
  if (!piece.text.empty()) {
    out += "event: content_block_delta\n";
    out += R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":")";
    appendEscaped(out, piece.text);
    out += "\"}}\n\n";
  }
  if (piece.finish != FinishReason::kNone) stop_ = stopFields(piece.finish, piece.stopReason);
}

void MessagesFormat::appendEnd(std::string& out, const Usage& usage) {
  appendEvent(out, "content_block_stop", R"(,"index":0)");
  appendEvent(out, "message_delta", R"(,"delta":{)" + stop_ + "}," + usageField(usage));
  appendEvent(out, "message_stop", {});
}

void MessagesFormat::appendError(std::string& out, const ApiError& error) {
  ((out += "event: error\ndata: ") += error.json(ErrorShape::kAnthropic)) += "\n\n";
}

std::string MessagesFormat::whole(std::span<const ChoiceText> choices, const Usage& usage) {
  const ChoiceText& choice = choices.front();
  std::string out = head_ + R"({"type":"text","text":)";
  appendQuoted(out, choice.text);
  return out + "}]," + stopFields(choice.finish, choice.stopReason) + ',' + usageField(usage) + '}';
}

}  // namespace llmc::rt::server
