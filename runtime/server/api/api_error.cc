// Types by status, as the API of OpenAI documents them.
#include "runtime/server/api/api_error.h"

#include <utility>

#include "runtime/server/api/json_text.h"
#include "runtime/server/backend.h"

namespace llmc::rt::server {

std::string_view ApiError::type() const {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

std::string ApiError::json() const {
  std::string out = R"({"error":{"message":)";
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
  if (status.code() == kKvCapacity) return {400, "kv_capacity", status.message(), {}};
  if (status.code().starts_with("TM_")) return {400, "template_error", status.message(), "messages"};
  if (status.kind() == ErrorKind::kUsage) return {400, "invalid_request", status.message(), {}};
  if (status.kind() == ErrorKind::kInternal)
    return {500, "internal_error", "this request failed inside the server (" + status.code() + "); others go on", {}};
  return {
      503, "engine_unavailable", "the engine cannot take requests (" + status.code() + "); try another replica", {}};
}

}  // namespace llmc::rt::server
