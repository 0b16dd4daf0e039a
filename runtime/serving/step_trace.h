// --trace: steps, requests and the scheduler's decisions with their reasons, in the JSON that Chrome and Perfetto load.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "runtime/base/status.h"
#include "runtime/sched/decision_trace.h"
#include "runtime/serving/trace_file.h"

namespace llmc::rt::serving {

/// A step as the loop saw it. Times are seconds on the clock of the decisions.
struct TracedStep {
  uint64_t number = 0;
  uint32_t tokens = 0, prefillTokens = 0, sequences = 0, rows = 0, moves = 0;
  uint32_t running = 0, waiting = 0;
  uint64_t attended = 0, attendedAlone = 0;  ///< as in StepShape
  double begin = 0, planned = 0, moved = 0, ran = 0, sampled = 0, told = 0;
  double ready = 0;  ///< the memory that it writes; 0: it was before
  /// Of a step that was planned while the one before ran: when that was. Its begin, planned and moved are the end of
  /// the one before.
  double ahead = 0, started = 0;
};

/// One thread; bounded and always whole as TraceFile is.
class StepTrace {
 public:
  /// Errors of TraceFile::create().
  static Result<std::unique_ptr<StepTrace>> create(const std::string& path, uint64_t mostBytes = TraceFile::kMostBytes);

  /// Before the decisions about it: `requestId` is the one of the HTTP request.
  /// `traceparent` is its header of W3C's Trace Context, or empty: what joins this trace to those of callers.
  void request(RequestId id, std::string_view requestId, std::string_view traceparent, uint32_t promptTokens,
               uint32_t choices, double now);
  void step(const TracedStep& step);
  /// Those that were not recorded yet.
  void decisions(const DecisionTrace& trace);
  /// See TraceFile.
  bool failed() const { return file_->failed(); }
  /// Writes what is in the buffer. Error SV_TRACE, once, after which nothing is recorded any more.
  Status flush() { return file_->flush(); }

 private:
  explicit StepTrace(std::unique_ptr<TraceFile> file) : file_(std::move(file)) {}
  void addDecision(const TraceRecord& record);

  const std::unique_ptr<TraceFile> file_;
  uint64_t recorded_ = 0;              ///< decisions
  std::unordered_set<uint64_t> open_;  ///< choices that have begun and not ended
};

}  // namespace llmc::rt::serving
