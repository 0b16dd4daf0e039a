// How many log probabilities an answer may hold: the one thing of a request that can make its answer a thousand times
// longer.
#pragma once

#include <span>

#include "runtime/server/api/generate_request.h"

namespace llmc::rt::server {

/// False for streams whose events are all that is said of a choice's log probabilities.
bool keepsLogprobs(const GenerateRequest& request);
/// The most of one answer.
uint64_t mostLogprobs(const GenerateRequest& request);
/// 400 when the answer to these prompts could hold more. Without a length from the client, only the prompts count: an
/// answer that may fill the context seldom does, and the one that does fails with tooManyLogprobs().
ApiFault checkLogprobs(const GenerateRequest& request, std::span<const GenerationRequest> prompts);
/// 400: the answer has become too long for its log probabilities.
ApiError tooManyLogprobs(const GenerateRequest& request);

}  // namespace llmc::rt::server
