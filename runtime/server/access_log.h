// A line for each answered request, as text or JSON; never a prompt, an answer or a key.
#pragma once

#include <cstdio>
#include <string>

#include "runtime/server/http/exchange.h"

namespace llmc::rt::server {

enum class LogFormat : uint8_t { kText, kJson };

/// The line of `exchange`, with its newline. `unixMilliseconds`: the moment of its end; `seconds`: how long it took.
std::string accessLine(const Exchange& exchange, LogFormat format, int64_t unixMilliseconds, double seconds);

/// Writes lines to a file it does not own; a file that cannot be written, or a pipe that nobody reads, loses lines,
/// nothing else. Any thread.
class AccessLog {
 public:
  /// `file` null: no log.
  AccessLog(std::FILE* file, LogFormat format) : file_(file), format_(format) {}
  void write(const Exchange& exchange, double seconds);

 private:
  std::FILE* file_;
  LogFormat format_;
};

}  // namespace llmc::rt::server
