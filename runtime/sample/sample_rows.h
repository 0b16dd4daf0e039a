// What a device samples the rows of a step by: requests turned into the plain numbers of cuda_abi.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/format/cuda_abi.h"
#include "runtime/sample/sampler.h"

namespace llmc::rt {

/// Rows and their edits, in the form that the batch carries. Used by one thread; allocates nothing once it has seen the
/// largest step.
class SampleRows {
 public:
  /// `vocabulary`: ids that are not below it have no logit.
  explicit SampleRows(uint32_t vocabulary) : vocabulary_(vocabulary) {}

  /// A new step of `rows` rows, which are all the host's.
  void begin(uint32_t rows);
  /// Row `row` is the device's from now on. False, and nothing changed, when the request asks for what only the host
  /// has: logprobs, allowed ids, bad words, typical_p, top-k above kMostTopK, a bias given twice for one id, more edits
  /// than a step has room for. Requires: row < rows.
  bool add(uint32_t row, const SampleRequest& request);
  /// Whether `row` is the device's.
  bool added(uint32_t row) const { return row < rows_.size() && rows_[row].mode != cuda::SampleMode::kHost; }

  std::span<const cuda::SampleRow> rows() const { return rows_; }
  std::span<const cuda::SampleEdit> edits() const { return edits_; }

 private:
  bool addEdits(const SampleRequest& request);
  bool mergeEdits(size_t first);

  const uint32_t vocabulary_;
  std::vector<cuda::SampleRow> rows_;
  std::vector<cuda::SampleEdit> edits_;
};

}  // namespace llmc::rt
