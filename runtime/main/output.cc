// write(2) until all is out.
#include "runtime/main/output.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "runtime/base/utc_time.h"
#include "runtime/server/api/json_text.h"

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
}

void writeNotice(std::string_view text) {
  std::string line;
  if (noticesAsJson) {
    line = R"({"time":")" + utcTimeText(unixMilliseconds()) + R"(","message":)";
    server::appendQuoted(line, text);
    line += "}\n";
  } else {
    (line += text) += '\n';
  }
  (void)std::fwrite(line.data(), 1, line.size(), stderr);  // one call: lines of threads do not mix
}

void writeNoticesAsJson() { noticesAsJson = true; }

}  // namespace llmc::rt
