// A bounded file in the JSON that Chrome and Perfetto load, valid after each write.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt::serving {

/// One thread. Memory is bounded by a buffer, the file by `mostBytes`: then it says so and records no more. What is
/// written is valid JSON after each write, also if the process is killed: the next write covers the closing brackets.
class TraceFile {
 public:
  static constexpr uint64_t kMostBytes = 256ull << 20;
  /// Numbers (tid) and names of the threads of the picture.
  using Tracks = std::vector<std::pair<int, std::string>>;

  /// Errors SV_TRACE: 64 when the file is there, has something in it, and no trace; 74 when it cannot be written.
  static Result<std::unique_ptr<TraceFile>> create(const std::string& path, const Tracks& tracks, uint64_t mostBytes);
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  /// `event`: one JSON object of the Trace Event Format, in process 1.
  void add(std::string_view event);
  /// A complete event ("X") from `begin` to `end`, in seconds; `name` is quoted, `arguments` are the fields of an
  /// object. The counters of two cores differ by tens of nanoseconds: a thread that moved may end before it begins.
  void addSpan(int track, std::string_view name, double begin, double end, std::string_view arguments = {});
  /// The bound is reached or a write has failed: nothing more is recorded.
  bool over() const { return over_; }
  /// add() could not write; flush() says why.
  bool failed() const { return failure_.has_value(); }
  /// Writes what is in the buffer. Error SV_TRACE, once, also of a write of add(); after it nothing is recorded.
  Status flush();

  /// `text` as a JSON string, with its quotes.
  static std::string quoted(std::string_view text);
  /// `"name":value`, for the arguments of an event.
  static std::string field(std::string_view name, uint64_t value);
  /// Seconds as the format's microseconds.
  static std::string microseconds(double seconds);

 private:
  TraceFile(int file, const Tracks& tracks, uint64_t mostBytes);

  const int file_;
  const uint64_t mostBytes_;
  uint64_t written_ = 0;  ///< bytes, without the closing brackets
  std::string buffer_;
  bool over_ = false;
  std::optional<Status> failure_;  ///< of add(), not told yet
};

}  // namespace llmc::rt::serving
