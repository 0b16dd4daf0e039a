// Counting, and the penalty formulas of the OpenAI API (presence, frequency) and CTRL (repetition).
#include "runtime/sample/token_history.h"

namespace llmc::rt {

TokenHistory::TokenHistory(uint32_t vocabulary, uint32_t expectedTokens)
    : generated_(vocabulary, 0), seen_(vocabulary, 0) {
  distinct_.reserve(expectedTokens);
}

void TokenHistory::note(int32_t id) {
  auto& seen = seen_[static_cast<size_t>(id)];
  if (!seen) distinct_.push_back(id);
  seen = 1;
}

void TokenHistory::addPrompt(std::span<const int32_t> ids) {
  for (const int32_t id : ids) note(id);
}

void TokenHistory::addGenerated(int32_t id) {
  note(id);
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
