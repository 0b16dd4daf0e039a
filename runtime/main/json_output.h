// The JSON objects of --json: names fixed by the interface, one object a run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/main/generator.h"

namespace llmc::rt {

/// Object of a generation. `prompt`: all prompt ids; `cached`: how many of them were in the cache.
std::string generationJson(const Generation& generation, std::span<const int32_t> prompt, bool logprobs,
                           double loadMilliseconds);

/// Object of --perplexity. `chunks`: mean negative log likelihood of each chunk, nats.
std::string perplexityJson(uint64_t tokens, double nll, std::span<const double> chunks);

/// {"token_ids": [...]}
std::string tokenizeJson(std::span<const int32_t> ids);

/// Tokens a second; 0 when no time has passed.
double rate(double tokens, double seconds);

}  // namespace llmc::rt
