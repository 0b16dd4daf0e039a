// Probes, versions, models, metrics, tokens: what is answered without generating.
#include <charconv>

#include "runtime/base/limits.h"
#include "runtime/server/api/json_body.h"
#include "runtime/server/api/json_text.h"
#include "runtime/server/api/logprobs_text.h"
#include "runtime/server/api/request_fields.h"
#include "runtime/server/api_handler.h"
#include "runtime/server/error_response.h"
#include "runtime/server/page/page.h"
#include "runtime/server/process_metrics.h"

namespace llmc::rt::server {

namespace {

constexpr std::string_view kModelPath = "/v1/models/";

/// Bytes that are written as % and two hexadecimal digits; a % without them stands for itself.
std::string percentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

void ApiHandler::page(const std::shared_ptr<Exchange>& exchange) { exchange->respond(pageResponse(exchange->request)); }

void ApiHandler::health(const std::shared_ptr<Exchange>& exchange) {
  // As vLLM does for an engine that is dead.
  if (!services_.backend.works())
    return exchange->respond(errorResponse(*exchange, {503, "engine_failed", "the engine has failed; restart it", {}}));
  exchange->respond({200});
}

void ApiHandler::ready(const std::shared_ptr<Exchange>& exchange) {
  // The process outlives a failed engine by a moment: nobody may be told to come meanwhile.
  if (draining() || !ready_.load() || !services_.backend.works())
    return exchange->respond(errorResponse(*exchange, {503, "not_ready", "this server takes no requests", {}, 1}));
  exchange->respond({200});
}

void ApiHandler::versionText(const std::shared_ptr<Exchange>& exchange) {
  std::string out = R"({"version":)";
  appendQuoted(out, services_.version);
  exchange->respond({200, out + "}"});
}

void ApiHandler::loadText(const std::shared_ptr<Exchange>& exchange) {
  exchange->respond({200, R"({"server_load":)" + std::to_string(load()) + "}"});
}

void ApiHandler::metricsText(const std::shared_ptr<Exchange>& exchange) {
  exchange->respond(
      {200, services_.metrics.render(services_.backend.stats()) + processMetrics(), Metrics::kContentType});
}

std::string ApiHandler::modelJson(const std::string& name) const {
  const ModelFacts& facts = services_.backend.facts();
  std::string out = R"({"id":)";
  appendQuoted(out, name);
  out += R"(,"object":"model","created":)" + std::to_string(services_.created) + R"(,"owned_by":"llmc","root":)";
  appendQuoted(out, facts.names.front());
  return out + R"(,"parent":null,"max_model_len":)" + std::to_string(facts.context) + R"(,"permission":[]})";
}

void ApiHandler::models(const std::shared_ptr<Exchange>& exchange) {
  std::string out = R"({"object":"list","data":[)";
  for (const std::string& name : services_.backend.facts().names) {
    if (out.back() == '}') out += ',';
    out += modelJson(name);
  }
  exchange->respond({200, out + "]}"});
}

void ApiHandler::model(const std::shared_ptr<Exchange>& exchange) {
  // Names with a slash ("org/model") are common, and clients send them encoded or not.
  const std::string name = percentDecoded(std::string_view(exchange->request.path).substr(kModelPath.size()));
  for (const std::string& known : services_.backend.facts().names)
    if (name == known) return exchange->respond({200, modelJson(known)});
  exchange->respond(
      errorResponse(*exchange, {404, "model_not_found", "this model does not exist here; see /v1/models", "model"}));
}

void ApiHandler::tokenize(const std::shared_ptr<Exchange>& exchange) {
  answerLater(exchange, &ApiHandler::tokenizeBody);
}

void ApiHandler::detokenize(const std::shared_ptr<Exchange>& exchange) {
  answerLater(exchange, &ApiHandler::detokenizeBody);
}

void ApiHandler::countTokens(const std::shared_ptr<Exchange>& exchange) {
  answerLater(exchange, &ApiHandler::countTokensBody);
}

ApiFault ApiHandler::countTokensBody(const Json& body, std::string& out) {
  ChatFields chat;
  std::vector<int32_t> ids;
  if (ApiFault fault = readCountRequest(body, services_.backend.facts(), chat)) return fault;
  if (ApiFault fault = encoder_.encodeChat(chat, ids)) return fault;
  out = R"({"input_tokens":)" + std::to_string(ids.size()) + '}';
  return std::nullopt;
}

ApiFault ApiHandler::tokenizeBody(const Json& body, std::string& out) {
  FieldReader fields(body);
  const ModelFacts& facts = services_.backend.facts();
  std::string name;
  if (ApiFault fault = readModel(fields, facts, name)) return fault;
  bool withStrings = false, addSpecial = true;
  fields.boolean("return_token_strs", withStrings);
  std::vector<int32_t> ids;
  if (fields.find("messages")) {
    ChatFields chat;
    static constexpr const char* kUnheeded[] = {"chat_template", "media_io_kwargs", "mm_processor_kwargs"};
    refuseFields(fields, kUnheeded);
    refuseTools(fields);
    readChatFields(fields, chat);
    if (fields.fault()) return fields.fault();
    if (ApiFault fault = encoder_.encodeChat(chat, ids)) return fault;
  } else {
    std::string prompt;
    fields.boolean("add_special_tokens", addSpecial);
    fields.text("prompt", limits::kBodyBytes, prompt);
    if (!fields.fault() && !fields.find("prompt"))
      fields.fail(invalidValue("prompt", "'prompt' or 'messages' is needed"));
    if (fields.fault()) return fields.fault();
    if (ApiFault fault = encoder_.encodeText(prompt, addSpecial, ids)) return fault;
  }
  out = R"({"count":)" + std::to_string(ids.size()) + R"(,"max_model_len":)" + std::to_string(facts.context) +
        R"(,"tokens":)";
  appendIds(out, ids);
  out += R"(,"token_strs":)";
  if (!withStrings) {
    out += "null}";
    return std::nullopt;
  }
  out += '[';
  for (const int32_t id : ids) {
    if (out.back() != '[') out += ',';
    appendQuoted(out, services_.text.tokenizer.idToToken(id).value_or(""));
  }
  out += "]}";
  return std::nullopt;
}

ApiFault ApiHandler::detokenizeBody(const Json& body, std::string& out) {
  FieldReader fields(body);
  const ModelFacts& facts = services_.backend.facts();
  std::string name;
  if (ApiFault fault = readModel(fields, facts, name)) return fault;
  std::vector<int32_t> ids;
  if (!fields.find("tokens")) fields.fail(invalidValue("tokens", "'tokens' is missing"));
  fields.ids("tokens", static_cast<int64_t>(limits::kRequestJsonValues), facts.vocabulary, ids);
  if (fields.fault()) return fields.fault();
  auto text = services_.text.tokenizer.decode(ids, /*skipSpecialTokens=*/false);
  if (!text) return fromStatus(text.status());
  out = R"({"prompt":)";
  appendQuoted(out, *text);
  out += '}';
  return std::nullopt;
}

}  // namespace llmc::rt::server
