// Counted as they are written: a token's own and those of its alternatives.
#include "runtime/server/api/answer_bounds.h"

#include <algorithm>
#include <string>

#include "runtime/base/limits.h"

namespace llmc::rt::server {
namespace {

/// Of a generated token.
uint64_t ofToken(const GenerateRequest& request) {
  if (request.sampling.logprobs < 0) return 0;
  return 1 + std::max(static_cast<uint64_t>(request.sampling.logprobs), uint64_t{request.sampling.logprobIds.size()});
}

std::string fieldOf(const GenerateRequest& request) {
  return request.api == Api::kCompletions ? "logprobs" : "top_logprobs";
}

}  // namespace

bool keepsLogprobs(const GenerateRequest& request) { return !request.stream || request.api == Api::kResponses; }

uint64_t mostLogprobs(const GenerateRequest& request) {
  return request.stream ? limits::kEventLogprobs : limits::kAnswerLogprobs;
}

ApiFault checkLogprobs(const GenerateRequest& request, std::span<const GenerationRequest> prompts) {
  uint64_t ofPrompts = 0, ofChoices = 0;
  for (const GenerationRequest& one : prompts) {
    if (one.promptLogprobs >= 0)
      ofPrompts += one.prompt.size() * (static_cast<uint64_t>(one.promptLogprobs) + 1) * request.shown;
    if (keepsLogprobs(request) && request.maxTokens) ofChoices += ofToken(request) * one.maxTokens * request.choices;
  }
  const uint64_t most = mostLogprobs(request);
  if (ofPrompts + ofChoices <= most) return std::nullopt;
  const bool prompt = ofPrompts > ofChoices;
  const std::string field = prompt && !request.echo ? "prompt_logprobs" : fieldOf(request);
  return invalidValue(field, "the answer could hold " + std::to_string(ofPrompts + ofChoices) +
                                 " log probabilities, of prompts and of choices, and the most is " +
                                 std::to_string(most) + "; ask for fewer in '" + field + "', for fewer tokens" +
                                 (request.choices > 1 ? ", or for fewer choices" : ""));
}

ApiError tooManyLogprobs(const GenerateRequest& request) {
  return invalidValue(fieldOf(request), "the answer has come to more than " + std::to_string(mostLogprobs(request)) +
                                            " log probabilities, the most of one answer; send '" +
                                            request.lengthField() + "', or ask for fewer in '" + fieldOf(request) +
                                            "'");
}

}  // namespace llmc::rt::server
