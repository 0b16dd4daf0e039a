// write(2) until all is out.
#include "runtime/main/output.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/base/utc_time.h"

namespace llmc::rt {

Status writeOutput(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return Status::error(ErrorKind::kIo, errno == EPIPE ? "CLI_READER" : "CLI_OUTPUT",
                           std::string("cannot write to stdout: ") + std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(written));
  }
  return Status::ok();
}

namespace {

std::atomic<bool> noticesAsJson = false;

/// `code`: of an error, else empty. Bytes that are no UTF-8, as a command line may hold, become U+FFFD.
std::string jsonLine(std::string_view code, std::string_view text) {
  const auto quoted = [](std::string_view bytes) {
    return nlohmann::json(bytes).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  std::string line = R"({"time":")" + utcTimeText(unixMilliseconds()) + R"(","level":)";
  line += code.empty() ? R"("info")" : R"("error","code":)" + quoted(code);
  return line + R"(,"message":)" + quoted(text) + "}\n";
}

void writeLine(const std::string& line) {
  (void)std::fwrite(line.data(), 1, line.size(), stderr);  // one call: lines of threads do not mix
}

}  // namespace

std::string noticeLine(std::string_view text) { return noticesAsJson ? jsonLine({}, text) : std::string(text) + "\n"; }

std::string errorLine(const Status& status) {
  return noticesAsJson ? jsonLine(status.code(), status.toString()) : status.toString() + "\n";
}

void writeNotice(std::string_view text) { writeLine(noticeLine(text)); }

void writeError(const Status& status) { writeLine(errorLine(status)); }

void writeNoticesAsJson() { noticesAsJson = true; }

}  // namespace llmc::rt
