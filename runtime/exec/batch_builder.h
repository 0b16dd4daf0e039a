// Turns any mix of sequences into the Batch that kernels read, after checking every number in it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/exec/workspace.h"
#include "runtime/format/kernel_abi.h"

namespace llmc::rt {

/// Which of a sequence's tokens get a row of logits.
enum class RowChoice : uint8_t { kNone, kLast, kAll, kList };

/// One sequence's part of a step: a prompt chunk, or one decoded token.
struct StepSequence {
  std::span<const int32_t> tokens;  ///< ids to run, at positions start, start + 1, ...
  std::span<const int32_t> pages;   ///< block table; covers start + tokens.size() tokens
  uint32_t start = 0;               ///< tokens already in the cache
  RowChoice rows = RowChoice::kLast;
  std::span<const uint32_t> rowList;  ///< kList: ascending indices in `tokens`
  /// Attention sees each token as a sequence of its own and so takes the code of decoded ones: their roundings are the
  /// same then, however many come together.
  bool apart = false;
  /// Somebody reads the logits of its rows. If not, they may be missing, and the largest of their tiles are all there
  /// is.
  bool logits = true;
  /// The step takes Numerics::kInvariant for its sake.
  bool exact = false;
};

/// Owns the batch arrays, all sized for the limits at construction: build() allocates nothing. Rows of the block table
/// that no step has needed take addresses, but no memory.
class BatchBuilder {
 public:
  /// `vocabulary`: ids must be below it. `pages`: page ids must be below it. `apart`: StepSequence::apart may be set,
  /// which takes a row of the block table for each token of a step.
  BatchBuilder(const StepLimits& limits, uint32_t vocabulary, uint32_t pages, bool apart = false);
  BatchBuilder(const BatchBuilder&) = delete;
  BatchBuilder& operator=(const BatchBuilder&) = delete;

  /// `lastRows`: ids of -1 - r stand for the token of row r of as many of the step before. Errors RT_STEP (70: limits,
  /// pages or rows that a caller of ours got wrong), RT_TOKEN_ID (65), RT_CONTEXT (65).
  Status build(std::span<const StepSequence> sequences, uint32_t lastRows = 0);

  /// Same address for life. Rows are in the order of the sequences, then of their tokens.
  const Batch& batch() const { return batch_; }

 private:
  Status check(std::span<const StepSequence> sequences) const;
  Status checkSequence(const StepSequence& sequence, size_t index, uint32_t lastRows) const;
  void addSequence(const StepSequence& sequence);
  void addToken(const StepSequence& sequence, uint32_t index);
  void addQueries(const StepSequence& sequence, uint32_t count, uint32_t context);

  const StepLimits limits_;
  const uint32_t vocabulary_, pages_, blockStride_, mostSequences_;
  Batch batch_;
  // Arrays behind batch_, 16 entries longer than the limits: kernels may read (never use) that far.
  std::vector<int32_t> tokenIds_, positions_, slots_, tokenSeq_, queryStarts_, contextLens_, sampleRows_, logitsWanted_;
  std::unique_ptr<int32_t[], void (*)(void*)> blockTable_;
};

}  // namespace llmc::rt
