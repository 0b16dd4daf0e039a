// --trace: steps, requests and the scheduler's decisions with their reasons, in the JSON that Chrome and Perfetto load.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "runtime/base/status.h"
#include "runtime/sched/decision_trace.h"

namespace llmc::rt::serving {

/// A step as the loop saw it. Times are seconds on the clock of the decisions.
struct TracedStep {
  uint64_t number = 0;
  uint32_t tokens = 0, prefillTokens = 0, sequences = 0, rows = 0, moves = 0;
  uint32_t running = 0, waiting = 0;
  double begin = 0, planned = 0, moved = 0, ran = 0, sampled = 0, told = 0;
};

/// One thread. Memory is bounded by a buffer, the file by `mostBytes`: then it says so and records no more. What is
/// written is valid JSON after each write, also if the process is killed: the next write covers the closing brackets.
class StepTrace {
 public:
  static constexpr uint64_t kMostBytes = 256ull << 20;

  /// Error SV_TRACE (74) when the file cannot be written.
  static Result<std::unique_ptr<StepTrace>> create(const std::string& path, uint64_t mostBytes = kMostBytes);
  ~StepTrace();
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

  /// Before the decisions about it: `requestId` is the one of the HTTP request.
  void request(RequestId id, std::string_view requestId, uint32_t promptTokens, uint32_t choices, double now);
  void step(const TracedStep& step);
  /// Those that were not recorded yet.
  void decisions(const DecisionTrace& trace);
  /// Writes what is in the buffer. Error SV_TRACE, after which nothing is recorded any more.
  Status flush();

 private:
  StepTrace(int file, uint64_t mostBytes);
  void add(std::string_view event);
  void addSpan(const char* name, double begin, double end, const std::string& arguments = {});
  void addDecision(const TraceRecord& record);

  const int file_;
  const uint64_t mostBytes_;
  uint64_t written_ = 0;   ///< bytes, without the closing brackets
  uint64_t recorded_ = 0;  ///< decisions
  std::string buffer_;
  std::unordered_set<uint64_t> open_;  ///< choices that have begun and not ended
  bool over_ = false;
};

}  // namespace llmc::rt::serving
