// Which tokens a sequence has seen and how often: what the penalties need.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/sample/sampling_params.h"

namespace llmc::rt {

/// Counts of prompt and generated tokens. One for each sequence that uses penalties. Ids are kept in order as they
/// come: what a device samples by must be sorted in every step.
class TokenHistory {
 public:
  /// `expectedTokens`: so many distinct ids can be added without allocating.
  TokenHistory(uint32_t vocabulary, uint32_t expectedTokens);

  void addPrompt(std::span<const int32_t> ids);
  void addGenerated(int32_t id);

  std::span<const int32_t> distinct() const { return distinct_; }  ///< each id once, ascending
  uint32_t timesGenerated(int32_t id) const { return generated_[static_cast<size_t>(id)]; }

  /// Applies the three penalties of `params` to `logits` [vocab] f32. O(distinct tokens).
  void penalize(const SamplingParams& params, float* logits) const;

 private:
  bool see(int32_t id);              ///< whether it is new
  std::vector<uint32_t> generated_;  ///< [vocab] times generated
  std::vector<uint8_t> seen_;        ///< [vocab] in prompt or output
  std::vector<int32_t> distinct_;    ///< ids with seen_ set, ascending
};

}  // namespace llmc::rt
