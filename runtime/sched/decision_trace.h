// Why the scheduler did what it did: a ring of small records, turned into text only when somebody reads them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/sched/request.h"

namespace llmc::rt {

/// The two numbers of a record mean what the text says; see DecisionTrace::text().
enum class Decision : uint8_t {
  kSubmitted,         ///< prompt tokens, waiting before it
  kRefused,           ///< waiting, most that may wait
  kAdmitted,          ///< pages from the prefix cache, pages in all
  kWaitsForSlot,      ///< slots needed, slots in use
  kWaitsForPages,     ///< pages needed, pages available
  kWaitsForKey,       ///< sequences of its key that run, most that may
  kWaitsForPrefix,    ///< pages that another sequence is computing, -
  kPromoted,          ///< waited for the starvation bound: milliseconds, -
  kDemoted,           ///< mlfq: to level, -
  kPreemptRecompute,  ///< tokens to compute again, pages given back
  kPreemptSwap,       ///< tokens kept, pages to the host
  kSwappedIn,         ///< tokens, pages from the host
  kForked,            ///< choices, shared pages
  kFinished,          ///< EndReason, generated tokens
};

/// Why a sequence had to give up its place.
enum class Cause : uint8_t { kNone, kNoPages, kBetterClass };

struct TraceRecord {
  double time = 0;  ///< seconds on the caller's clock
  uint64_t step = 0;
  RequestId request = 0;
  uint32_t choice = 0;
  Decision decision = Decision::kSubmitted;
  Cause cause = Cause::kNone;
  uint32_t first = 0, second = 0;
};

/// Keeps the last `capacity` records. One thread. add() is O(1) and allocates nothing.
class DecisionTrace {
 public:
  explicit DecisionTrace(uint32_t capacity) : ring_(capacity) {}

  void add(const TraceRecord& record) {
    if (!ring_.empty()) ring_[total_ % ring_.size()] = record;
    ++total_;
  }
  /// Records ever added; the oldest that is still there has number firstKept().
  uint64_t total() const { return total_; }
  uint64_t firstKept() const { return total_ > ring_.size() ? total_ - ring_.size() : 0; }
  /// Requires: firstKept() <= number < total().
  const TraceRecord& at(uint64_t number) const { return ring_[number % ring_.size()]; }

  /// "admitted: 4 of 9 pages from the prefix cache": the name of the decision is what stands before the colon.
  static std::string reason(const TraceRecord& record);
  /// "12.500 step 7 request 3.0 admitted: 4 of 9 pages from the prefix cache".
  static std::string text(const TraceRecord& record);

 private:
  std::vector<TraceRecord> ring_;
  uint64_t total_ = 0;
};

}  // namespace llmc::rt
