// Events in the order of OpenAI's reference, numbered from 0.
#include "runtime/server/api/responses_format.h"

#include "runtime/server/api/json_text.h"

namespace llmc::rt::server {
namespace {

void appendUsageObject(std::string& out, const Usage& usage) {
  out += R"({"input_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.promptTokens));
  out += R"(,"input_tokens_details":{"cached_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.cachedTokens));
  out += R"(,"cache_write_tokens":0},"output_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.completionTokens));
  out += R"(,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":)";
  appendNumber(out, static_cast<int64_t>(usage.promptTokens + usage.completionTokens));
  out += '}';
}

/// The entries of a list, to go on with.
std::string_view entriesOf(std::string_view list) {
  return list.size() < 2 ? std::string_view{} : list.substr(1, list.size() - 2);
}

}  // namespace

ResponsesFormat::ResponsesFormat(const AnswerHead& head, std::string_view repeatedFields) {
  appendEscaped(id_, head.id);
  head_ = R"({"id":"resp_)" + id_ + R"(","object":"response","created_at":)";
  appendNumber(head_, head.created);
  head_ += R"(,"model":)";
  appendQuoted(head_, head.model);
  rest_ = R"(,"error":null,"background":false,"parallel_tool_calls":true,"previous_response_id":null,)"
          R"("prompt":null,"service_tier":"default","store":false,"tools":[],"truncation":"disabled",)";
  rest_ += repeatedFields;
}

std::string_view ResponsesFormat::endStatus() const {
  return finish_ == FinishReason::kStop ? "completed" : "incomplete";
}

std::string ResponsesFormat::part(std::string_view text) const {
  std::string out = R"({"type":"output_text","annotations":[],"logprobs":[)" + logprobs_;
  out += R"(],"text":)";
  appendQuoted(out, text);
  return out + '}';
}

std::string ResponsesFormat::item(std::string_view status, std::string_view content) const {
  std::string out = R"({"id":"msg_)" + id_ + R"(","type":"message","role":"assistant","status":")";
  ((out += status) += R"(","content":[)") += content;
  return out + "]}";
}

std::string ResponsesFormat::response(std::string_view status, std::string_view output, const Usage* usage) const {
  std::string out = head_ + R"(,"status":")";
  (out += status) += R"(","incomplete_details":)";
  // The engine gives up for no reason that this API has a name for.
  out += finish_ == FinishReason::kLength  ? R"({"reason":"max_output_tokens"})"
         : finish_ == FinishReason::kAbort ? R"({"reason":null})"
                                           : "null";
  ((out += rest_) += R"(,"output":[)") += output;
  out += R"(],"usage":)";
  if (usage)
    appendUsageObject(out, *usage);
  else
    out += "null";
  return out + '}';
}

void ResponsesFormat::open(std::string& out, std::string_view type) {
  (((out += "event: ") += type) += "\ndata: {\"type\":\"") += type;
  out += R"(","sequence_number":)";
  appendNumber(out, static_cast<int64_t>(sequence_++));
}

void ResponsesFormat::appendBegin(std::string& out, uint32_t, const PromptTexts&, const Usage&) {
  const std::string started = R"(,"response":)" + response("in_progress", {}, nullptr) + "}\n\n";
  open(out, "response.created");
  out += started;
  open(out, "response.in_progress");
  out += started;
  open(out, "response.output_item.added");
  ((out += R"(,"output_index":0,"item":)") += item("in_progress", {})) += "}\n\n";
  open(out, "response.content_part.added");
  (((out += R"(,"item_id":"msg_)") += id_) += R"(","output_index":0,"content_index":0,"part":)") += part({});
  out += "}\n\n";
}

void ResponsesFormat::appendPiece(std::string& out, const ChoiceText& piece, const Usage&) {
  finish_ = piece.finish;
  const std::string_view entries = entriesOf(piece.logprobs);
  if (!entries.empty()) (logprobs_ += logprobs_.empty() ? "" : ",") += entries;
  if (piece.text.empty() && entries.empty()) return;
  text_ += piece.text;
  open(out, "response.output_text.delta");
  ((out += R"(,"item_id":"msg_)") += id_) += R"(","output_index":0,"content_index":0,"delta":")";
  appendEscaped(out, piece.text);
  ((out += R"(","logprobs":[)") += entries) += "]}\n\n";
}

void ResponsesFormat::appendEnd(std::string& out, const Usage& usage) {
  const std::string place = R"(,"item_id":"msg_)" + id_ + R"(","output_index":0,"content_index":0)";
  const std::string whole = part(text_), message = item(endStatus(), whole);
  open(out, "response.output_text.done");
  (out += place) += R"(,"text":)";
  appendQuoted(out, text_);
  ((out += R"(,"logprobs":[)") += logprobs_) += "]}\n\n";
  open(out, "response.content_part.done");
  (((out += place) += R"(,"part":)") += whole) += "}\n\n";
  open(out, "response.output_item.done");
  ((out += R"(,"output_index":0,"item":)") += message) += "}\n\n";
  open(out, finish_ == FinishReason::kStop ? "response.completed" : "response.incomplete");
  ((out += R"(,"response":)") += response(endStatus(), message, &usage)) += "}\n\n";
}

void ResponsesFormat::appendError(std::string& out, const ApiError& error) {
  open(out, "error");
  out += R"(,"code":)";
  appendQuoted(out, error.code);
  out += R"(,"message":)";
  appendQuoted(out, error.message);
  out += R"(,"param":null,)";
  // The object of the other endpoints, too: OpenAI's client raises for it.
  const std::string object = error.json();
  out.append(object, 1) += "\n\n";
}

std::string ResponsesFormat::whole(std::span<const ChoiceText> choices, const Usage& usage) {
  const ChoiceText& choice = choices.front();
  finish_ = choice.finish;
  logprobs_ = entriesOf(choice.logprobs);
  return response(endStatus(), item(endStatus(), part(choice.text)), &usage);
}

}  // namespace llmc::rt::server
