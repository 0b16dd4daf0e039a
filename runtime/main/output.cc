// write(2) until all is out.
#include "runtime/main/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

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

void writeNotice(std::string_view text) { std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data()); }

}  // namespace llmc::rt
