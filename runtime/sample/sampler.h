// One row of logits to one token id, with its log probabilities.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sample/candidates.h"
#include "runtime/sample/sampling_params.h"
#include "runtime/sample/token_history.h"

namespace llmc::rt {

/// Natural logs of the model's own distribution: before bias, penalties, temperature and filters.
struct TokenLogprobs {
  float logprob = 0;                           ///< of the token that was chosen
  std::vector<std::pair<int32_t, float>> top;  ///< best first, or as SamplingParams::logprobIds: (id, logprob)
};

/// What sample() needs beside the row.
struct SampleRequest {
  const SamplingParams* params = nullptr;
  const TokenHistory* history = nullptr;  ///< required when params->penalizes()
  std::span<const int32_t> stopIds;       ///< impossible while generated < params->minTokens
  uint32_t generated = 0;                 ///< tokens generated so far
  uint64_t position = 0;                  ///< position of the token in its sequence: counter of the random numbers
  std::span<const int32_t> output;        ///< generated tokens, at least the last of them that a bad word may need
};

/// Scratch for rows of one vocabulary; the results depend on the arguments only. One thread.
class Sampler {
 public:
  explicit Sampler(uint32_t vocabulary);

  /// `logits` [vocab] f32. `logprobs` may be null; it is filled when params->logprobs >= 0. Error RT_LOGITS (70) when a
  /// logit is NaN or infinite: an answer made from such a row would look valid. Error RT_NO_TOKEN (64) when allowed
  /// ids, bad words and stop tokens leave nothing to choose.
  Result<int32_t> sample(std::span<const float> logits, const SampleRequest& request, TokenLogprobs* logprobs);

  /// Natural log of the softmax denominator: logprob(i) = logits[i] - logSumExp(logits). Error RT_LOGITS.
  Result<double> logSumExp(std::span<const float> logits);

 private:
  std::span<const float> edited(std::span<const float> logits, const SampleRequest& request);
  int32_t pickFromAll(std::span<const float> row, float max, float scale, double uniform);
  int32_t pickFiltered(std::span<const float> row, float max, float scale, const SamplingParams& params,
                       double uniform);
  std::vector<Candidate>& keepTopP(std::span<const float> row, float max, float scale, const SamplingParams& params);
  std::vector<Candidate>& keepMass(float max, float scale, double wanted);
  void weighAll(std::vector<Candidate>& candidates, float max, float scale);
  double totalWeight(std::span<const float> row, float max, float scale);
  void fillLogprobs(std::span<const float> logits, float max, int32_t token, const SamplingParams& params,
                    TokenLogprobs& out);

  TopSelector selector_;
  std::vector<float> edit_;      ///< [vocab] row with bias and penalties
  std::vector<float> kept_;      ///< logits of the allowed ids
  std::vector<float> sums_;      ///< [blocks] sums of exp
  std::vector<float> weights_;   ///< logits of candidates, then their exps
  std::vector<int> bins_;        ///< of candidates, in which logits of a row are counted
  std::vector<Candidate> edge_;  ///< of the bin in which a share is reached
};

}  // namespace llmc::rt
