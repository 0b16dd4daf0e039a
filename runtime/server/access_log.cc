// Formatting of the access log.
#include "runtime/server/access_log.h"

#include <poll.h>

#include "runtime/base/status.h"
#include "runtime/base/utc_time.h"
#include "runtime/server/api/json_text.h"

namespace llmc::rt::server {
namespace {

/// Bytes that are no request have no method and no path.
std::string orDash(std::string text) { return text.empty() ? "-" : std::move(text); }

void appendOrNull(std::string& out, std::string_view text) {
  if (text.empty())
    out += "null";
  else
    appendQuoted(out, text);
}

}  // namespace

std::string accessLine(const Exchange& exchange, LogFormat format, int64_t unixMilliseconds, double seconds) {
  const HttpRequest& request = exchange.request;
  char took[32];
  std::snprintf(took, sizeof took, "%.6f", seconds);
  const std::string method = escaped(request.method, 20), path = escaped(request.path),
                    trace = escaped(request.header("traceparent"), 64);
  if (format == LogFormat::kText) {
    std::string out = utcTimeText(unixMilliseconds) + " " + orDash(method) + " " + orDash(path) + " " +
                      std::to_string(exchange.status) + " " + std::to_string(exchange.bytesOut) + "B " + took +
                      "s id=" + exchange.requestId;
    if (exchange.promptTokens > 0)
      out += " prompt=" + std::to_string(exchange.promptTokens) +
             " completion=" + std::to_string(exchange.completionTokens);
    if (!exchange.finish.empty()) out += " finish=" + std::string(exchange.finish);
    if (!trace.empty()) out += " traceparent=" + trace;
    return out + " from=" + exchange.client() + "\n";
  }
  std::string out = R"({"time":")" + utcTimeText(unixMilliseconds) + R"(","method":)";
  appendOrNull(out, method);
  out += R"(,"path":)";
  appendOrNull(out, path);
  out += R"(,"status":)" + std::to_string(exchange.status) + R"(,"bytes":)" + std::to_string(exchange.bytesOut) +
         R"(,"seconds":)" + took + R"(,"request_id":)";
  appendQuoted(out, exchange.requestId);
  out += R"(,"client":)";
  appendQuoted(out, exchange.client());
  out += R"(,"prompt_tokens":)" + std::to_string(exchange.promptTokens) + R"(,"completion_tokens":)" +
         std::to_string(exchange.completionTokens) + R"(,"finish":)";
  appendOrNull(out, exchange.finish);
  out += R"(,"traceparent":)";
  appendOrNull(out, trace);
  return out + "}\n";
}

void AccessLog::write(const Exchange& exchange, double seconds) {
  if (!file_) return;
  // A pipe has room for a whole line, or says that it has none; to wait for its reader would hold up all streams.
  pollfd out{fileno(file_), POLLOUT, 0};
  if (::poll(&out, 1, 0) == 0) return;
  const std::string line = accessLine(exchange, format_, unixMilliseconds(), seconds);
  (void)std::fwrite(line.data(), 1, line.size(), file_);  // one call: lines of threads do not mix
  (void)std::fflush(file_);
}

}  // namespace llmc::rt::server
