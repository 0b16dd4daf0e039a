// Formatting of the access log, and what becomes of lines that cannot be written.
#include "runtime/server/access_log.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/counted.h"
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

AccessLog::~AccessLog() {
  if (lost_ > 0 && file_ != stderr) notice_(lost());
}

int AccessLog::put(std::string line) {
  // A pipe has room for a whole line, or says that it has none; to wait for its reader would hold up all streams.
  pollfd out{fileno(file_), POLLOUT, 0};
  if (::poll(&out, 1, 0) == 0) return EAGAIN;
  if (torn_) line.insert(line.begin(), '\n');
  // Past stdio, which does not say how much of a line a full disk took. One call: lines of other writers do not mix.
  for (size_t done = 0; done < line.size();) {
    const ssize_t count = ::write(out.fd, line.data() + done, line.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      torn_ = torn_ || done > 0;
      return count < 0 ? errno : EIO;
    }
    done += static_cast<size_t>(count);
  }
  torn_ = false;
  return 0;
}

std::string AccessLog::lost() {
  return counted(std::exchange(lost_, 0), "line of the access log was", "lines of the access log were") + " lost";
}

void AccessLog::lose(int error) {
  ++lost_;
  // Where notices go the same way there is nobody to tell.
  if (told_ || file_ == stderr || Clock::now() < tellAt_) return;
  told_ = true;
  notice_(std::string("the access log loses lines: ") +
          (error == EAGAIN ? "its reader takes nothing" : std::strerror(error)) + "; requests are served all the same");
}

void AccessLog::recover() {
  if (lost_ == 0 || (!told_ && Clock::now() < tellAt_)) return;
  told_ = false;
  tellAt_ = Clock::now() + quiet_;
  notice_("the access log is written again: " + lost());
}

void AccessLog::write(const Exchange& exchange, double seconds) {
  if (file_) write(accessLine(exchange, format_, unixMilliseconds(), seconds));
}

void AccessLog::write(std::string line) {
  if (!file_) return;
  const std::lock_guard lock(lock_);
  const int error = put(std::move(line));
  if (!notice_) return;
  if (error != 0)
    lose(error);
  else
    recover();
}

}  // namespace llmc::rt::server
