// Formatting of the access log.
#include "runtime/server/access_log.h"

#include <chrono>
#include <ctime>

#include "runtime/base/status.h"
#include "runtime/server/api/json_text.h"

namespace llmc::rt::server {
namespace {

std::string timeText(int64_t unixMilliseconds) {
  const std::time_t whole = unixMilliseconds / 1000;
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  char text[40];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(unixMilliseconds % 1000));
  return text;
}

}  // namespace

std::string accessLine(const Exchange& exchange, LogFormat format, int64_t unixMilliseconds, double seconds) {
  const HttpRequest& request = exchange.request;
  char took[32];
  std::snprintf(took, sizeof took, "%.6f", seconds);
  const std::string path = escaped(request.path), trace = escaped(request.header("traceparent"), 64);
  if (format == LogFormat::kText) {
    std::string out = timeText(unixMilliseconds) + " " + escaped(request.method, 20) + " " + path + " " +
                      std::to_string(exchange.status) + " " + std::to_string(exchange.bytesOut) + "B " + took +
                      "s id=" + exchange.requestId;
    if (exchange.promptTokens > 0)
      out += " prompt=" + std::to_string(exchange.promptTokens) +
             " completion=" + std::to_string(exchange.completionTokens);
    if (!exchange.finish.empty()) out += " finish=" + std::string(exchange.finish);
    if (!trace.empty()) out += " traceparent=" + trace;
    return out + "\n";
  }
  std::string out = R"({"time":")" + timeText(unixMilliseconds) + R"(","method":)";
  appendQuoted(out, escaped(request.method, 20));
  out += R"(,"path":)";
  appendQuoted(out, path);
  out += R"(,"status":)" + std::to_string(exchange.status) + R"(,"bytes":)" + std::to_string(exchange.bytesOut) +
         R"(,"seconds":)" + took + R"(,"request_id":)";
  appendQuoted(out, exchange.requestId);
  out += R"(,"prompt_tokens":)" + std::to_string(exchange.promptTokens) + R"(,"completion_tokens":)" +
         std::to_string(exchange.completionTokens) + R"(,"finish":)";
  appendQuoted(out, exchange.finish);
  out += R"(,"traceparent":)";
  appendQuoted(out, trace);
  return out + "}\n";
}

void AccessLog::write(const Exchange& exchange, double seconds) {
  if (!file_) return;
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::system_clock;
  const auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  const std::string line = accessLine(exchange, format_, now, seconds);
  (void)std::fwrite(line.data(), 1, line.size(), file_);  // one call: lines of threads do not mix
  (void)std::fflush(file_);
}

}  // namespace llmc::rt::server
