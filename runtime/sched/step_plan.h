// One step as the scheduler wants it: moves of pages, then one batch, then samples.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/exec/batch_builder.h"
#include "runtime/sched/page_tables.h"
#include "runtime/sched/request.h"

namespace llmc::rt {

/// Whose tokens an entry of the batch are.
struct PlannedSequence {
  RequestId request = 0;
  uint32_t choice = 0;
  uint32_t firstRow = 0;  ///< of its rows of logits, if it has any
};

/// A token to sample. The choices of one request sample their first token from the same row.
struct PlannedSample {
  RequestId request = 0;
  uint32_t choice = 0;
  uint32_t row = 0;        ///< of the step's logits
  uint32_t position = 0;   ///< of the new token in its sequence: counter of the random numbers
  uint32_t generated = 0;  ///< tokens generated before it
  void* owner = nullptr;   ///< RequestSpec::owner
  bool dropped = false;    ///< its sequence ended with the step before: no result is wanted, and `owner` may be gone
};

/// Valid until the scheduler is called with complete() for it; it reads the sequences' own token arrays. In a step that
/// was planned ahead tokens are -1 - r: the one that row r of the step before gets.
struct StepPlan {
  uint64_t step = 0;
  std::span<const PageMove> moves;             ///< first, in order; may be there without a batch
  std::span<const StepSequence> batch;         ///< for BatchBuilder::build()
  std::span<const PlannedSequence> sequences;  ///< parallel to batch
  std::span<const PlannedSample> samples;
  uint32_t tokens = 0, prefillTokens = 0, rows = 0;
  /// Nothing to do, and no complete() to call.
  bool empty() const { return batch.empty() && moves.empty(); }
};

enum class Verdict : uint8_t {
  kContinue,
  kStop,   ///< the token ends the text
  kFail,   ///< no token: logits that are not finite
  kAgain,  ///< no token yet: the next plan() has the row again. Only while a step that was planned ahead is under way
};

/// What came of a PlannedSample.
struct SampleOutcome {
  int32_t token = 0;
  Verdict verdict = Verdict::kContinue;
};

}  // namespace llmc::rt
