// A line for each answered request, as text or JSON; never a prompt, an answer or a key.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>

#include "runtime/server/http/exchange.h"

namespace llmc::rt::server {

enum class LogFormat : uint8_t { kText, kJson };

/// The line of `exchange`, with its newline. `unixMilliseconds`: the moment of its end; `seconds`: how long it took.
std::string accessLine(const Exchange& exchange, LogFormat format, int64_t unixMilliseconds, double seconds);

/// Writes lines to a file it does not own; a file that cannot be written, or a pipe that nobody reads, loses lines,
/// nothing else: that it does is told once, how many when it works again, or at the end. Any thread.
class AccessLog {
 public:
  /// Gets a line without its newline, under a lock: must not call back.
  using Notice = std::function<void(const std::string&)>;

  /// `file` null: no log. `notice` empty: losses are not told. Beginnings of losses come at most once in `quiet`, what
  /// is lost in between is counted.
  AccessLog(std::FILE* file, LogFormat format, Notice notice = {}, std::chrono::seconds quiet = std::chrono::minutes(1))
      : file_(file), format_(format), notice_(std::move(notice)), quiet_(quiet) {}
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  void write(const Exchange& exchange, double seconds);
  /// `line`: with its newline.
  void write(std::string line);

 private:
  using Clock = std::chrono::steady_clock;
  /// 0, or the error: EAGAIN where nobody reads.
  int put(std::string line);
  void lose(int error);
  void recover();
  /// "3 lines of the access log were lost", of all since it was last told.
  std::string lost();

  std::FILE* const file_;
  const LogFormat format_;
  const Notice notice_;
  const std::chrono::seconds quiet_;
  std::mutex lock_;
  bool torn_ = false;         ///< a line ends in its middle
  bool told_ = false;         ///< that lines are being lost
  uint64_t lost_ = 0;         ///< since it was last told how many
  Clock::time_point tellAt_;  ///< not before
};

}  // namespace llmc::rt::server
