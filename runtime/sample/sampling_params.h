// What a request may ask of the sampler, and the closed range of each number.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Order of application: penalties, logit bias, allowed ids, bad words, temperature, top-k, top-p, min-p, typical; each
/// filter sees the distribution that the one before left, renormalised.
struct SamplingParams {
  double temperature = 1.0;        ///< [0, 100]; 0: greedy
  int32_t topK = 0;                ///< 0 or -1: off
  double topP = 1.0;               ///< (0, 1]; 1: off
  double minP = 0.0;               ///< [0, 1]; keeps tokens with at least this share of the best one's probability
  double typicalP = 1.0;           ///< (0, 1]; 1: off
  double repetitionPenalty = 1.0;  ///< (0, 100]; divides positive, multiplies negative logits of seen tokens
  double presencePenalty = 0.0;    ///< [-2, 2]; subtracted once from tokens already generated
  double frequencyPenalty = 0.0;   ///< [-2, 2]; subtracted for each time a token was generated
  std::vector<std::pair<int32_t, float>> logitBias = {};  ///< (token id, [-100, 100]) added
  std::vector<int32_t> allowedIds = {};                   ///< no other token is possible; empty: all are
  std::vector<std::vector<int32_t>> badWords = {};        ///< token sequences that the output never contains
  uint32_t minTokens = 0;                                 ///< stop tokens are impossible before so many were generated
  uint64_t seed = 0;
  int32_t logprobs = -1;                 ///< -1: none; N: of the chosen token and the N best
  std::vector<int32_t> logprobIds = {};  ///< of these in place of the N best, in this order; empty: of the N best

  bool greedy() const { return temperature == 0.0 || topK == 1; }
  bool restricts() const { return !allowedIds.empty() || !badWords.empty(); }
  bool penalizes() const { return repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0; }
  /// The best token of the row is not all that sampling by these reads of the logits.
  bool needsLogits() const {
    return !greedy() || penalizes() || restricts() || !logitBias.empty() || minTokens > 0 || logprobs >= 0;
  }
};

/// Error RT_SAMPLING (64) that names the field, its range and what was given. `vocabulary` bounds the ids of logitBias.
Status checkParams(const SamplingParams& params, uint32_t vocabulary);

}  // namespace llmc::rt
