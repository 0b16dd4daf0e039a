// Types by status, as each API documents them.
#include "runtime/server/api/api_error.h"

#include <utility>

#include "runtime/server/api/json_text.h"
#include "runtime/server/backend.h"

namespace llmc::rt::server {

ErrorShape errorShapeOf(std::string_view path) {
  constexpr std::string_view kMessages = "/v1/messages";
  const bool anthropic =
      path.starts_with(kMessages) && (path.size() == kMessages.size() || path[kMessages.size()] == '/');
  return anthropic ? ErrorShape::kAnthropic : ErrorShape::kOpenAi;
}

std::string_view ApiError::type(ErrorShape shape) const {
  const bool anthropic = shape == ErrorShape::kAnthropic;
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return anthropic ? "request_too_large" : "invalid_request_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return anthropic ? "overloaded_error" : "service_unavailable_error";
    case 504:
      return anthropic ? "timeout_error" : "server_error";
    default:
      if (status < 500) return "invalid_request_error";
      return anthropic ? "api_error" : "server_error";
  }
}

std::string ApiError::json(ErrorShape shape) const {
  std::string out;
  if (shape == ErrorShape::kAnthropic) {
    out = R"({"type":"error","error":{"type":)";
    appendQuoted(out, type(shape));
    out += R"(,"message":)";
    appendQuoted(out, message);
    return out + "}}";
  }
  out = R"({"error":{"message":)";
  appendQuoted(out, message);
  out += R"(,"type":)";
  appendQuoted(out, type());
  out += R"(,"param":)";
  if (param.empty())
    out += "null";
  else
    appendQuoted(out, param);
  out += R"(,"code":)";
  appendQuoted(out, code);
  return out + "}}";
}

ApiError invalidValue(std::string param, std::string message) {
  return {400, "invalid_value", std::move(message), std::move(param)};
}

ApiError unsupported(std::string param, std::string message) {
  if (message.empty()) message = "'" + param + "' is not supported by this server; leave it out";
  return {400, "unsupported_parameter", std::move(message), std::move(param)};
}

ApiError fromStatus(const Status& status) {
  if (status.code() == kQueueFull)
    return {429, "queue_full", "the queue is full; try again after the time in Retry-After", {}, 1};
  if (status.code() == kKvCapacity) {
    const std::string advice = status.hint().empty() ? "" : "; " + status.hint();
    return {400, "kv_capacity", status.message() + advice, {}};
  }
  if (status.code().starts_with("TM_")) return {400, "template_error", status.message(), "messages"};
  if (status.kind() == ErrorKind::kUsage) return {400, "invalid_request", status.message(), {}};
  if (status.kind() == ErrorKind::kInternal)
    return {500, "internal_error", "this request failed inside the server (" + status.code() + "); others go on", {}};
  return {
      503, "engine_unavailable", "the engine cannot take requests (" + status.code() + "); try another replica", {}};
}

}  // namespace llmc::rt::server
