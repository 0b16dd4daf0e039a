// Range checks of sampling parameters.
#include "runtime/sample/sampling_params.h"

#include <cstdio>
#include <string>

#include "runtime/base/limits.h"

namespace llmc::rt {
namespace {

Status outOfRange(const char* name, const char* range, double value) {
  char text[160];
  std::snprintf(text, sizeof text, "%s must be %s, got %g", name, range, value);
  return Status::error(ErrorKind::kUsage, "RT_SAMPLING", text);
}

}  // namespace

Status checkParams(const SamplingParams& p, uint32_t vocabulary) {
  // Written so that NaN fails each of them.
  if (!(p.temperature >= 0 && p.temperature <= 100)) return outOfRange("temperature", "in [0, 100]", p.temperature);
  if (!(p.topK >= -1)) return outOfRange("top_k", "-1, 0 or positive", p.topK);
  if (!(p.topP > 0 && p.topP <= 1)) return outOfRange("top_p", "in (0, 1]", p.topP);
  if (!(p.minP >= 0 && p.minP <= 1)) return outOfRange("min_p", "in [0, 1]", p.minP);
  if (!(p.typicalP > 0 && p.typicalP <= 1)) return outOfRange("typical_p", "in (0, 1]", p.typicalP);
  if (!(p.repetitionPenalty > 0 && p.repetitionPenalty <= 100))
    return outOfRange("repetition_penalty", "in (0, 100]", p.repetitionPenalty);
  if (!(p.presencePenalty >= -2 && p.presencePenalty <= 2))
    return outOfRange("presence_penalty", "in [-2, 2]", p.presencePenalty);
  if (!(p.frequencyPenalty >= -2 && p.frequencyPenalty <= 2))
    return outOfRange("frequency_penalty", "in [-2, 2]", p.frequencyPenalty);
  if (p.logprobs < -1 || p.logprobs > limits::kTopLogprobs)
    return outOfRange("logprobs", ("in [0, " + std::to_string(limits::kTopLogprobs) + "]").c_str(), p.logprobs);
  for (const auto& [id, bias] : p.logitBias) {
    if (id < 0 || static_cast<uint32_t>(id) >= vocabulary) return outOfRange("logit_bias id", "in the vocabulary", id);
    if (!(bias >= -100 && bias <= 100)) return outOfRange("logit_bias", "in [-100, 100]", bias);
  }
  const auto outside = [&](int32_t id) { return id < 0 || static_cast<uint32_t>(id) >= vocabulary; };
  for (const int32_t id : p.logprobIds)
    if (outside(id)) return outOfRange("logprob_token_ids", "in the vocabulary", id);
  for (const int32_t id : p.allowedIds)
    if (outside(id)) return outOfRange("allowed_token_ids", "in the vocabulary", id);
  for (const auto& word : p.badWords) {
    if (word.empty()) return Status::error(ErrorKind::kUsage, "RT_SAMPLING", "bad_words has an empty sequence");
    for (const int32_t id : word)
      if (outside(id)) return outOfRange("bad_words id", "in the vocabulary", id);
  }
  return Status::ok();
}

}  // namespace llmc::rt
