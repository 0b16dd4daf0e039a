// Counting, and the penalty formulas of the OpenAI API (presence, frequency) and CTRL (repetition).
#include "runtime/sample/token_history.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace llmc::rt {

TokenHistory::TokenHistory(uint32_t vocabulary, uint32_t expectedTokens)
    : generated_(vocabulary, 0), seen_(vocabulary, 0) {
  distinct_.reserve(expectedTokens);
}

bool TokenHistory::see(int32_t id) { return std::exchange(seen_[static_cast<size_t>(id)], uint8_t{1}) == 0; }

void TokenHistory::addPrompt(std::span<const int32_t> ids) {
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(distinct_), [&](int32_t id) { return see(id); });
  std::sort(distinct_.begin(), distinct_.end());
}

void TokenHistory::addGenerated(int32_t id) {
  if (see(id)) distinct_.insert(std::lower_bound(distinct_.begin(), distinct_.end(), id), id);
  ++generated_[static_cast<size_t>(id)];
}

void TokenHistory::penalize(const SamplingParams& params, float* logits) const {
  const auto repetition = static_cast<float>(params.repetitionPenalty);
  for (const int32_t id : distinct_) {
    float& x = logits[id];
    x = x > 0 ? x / repetition : x * repetition;
    const uint32_t times = generated_[static_cast<size_t>(id)];
    if (times == 0) continue;
    x -= static_cast<float>(params.presencePenalty + params.frequencyPenalty * times);
  }
}

}  // namespace llmc::rt
