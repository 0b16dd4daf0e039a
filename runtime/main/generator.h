// Prompt ids to generated tokens on one sequence: prefill in chunks, sample, decode, until something says stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/exec/executor.h"
#include "runtime/kv/sequence_cache.h"
#include "runtime/sample/sampler.h"
#include "runtime/text/tokenizer.h"

namespace llmc::rt {

struct GenerationRequest {
  std::span<const int32_t> prompt;  ///< all ids of the sequence; the first cache.length() of them are cached already
  SamplingParams params;
  std::vector<int32_t> eosIds;                     ///< tokens that end the text; empty: none do
  std::vector<std::string> stops;                  ///< texts that end it
  uint32_t maxTokens = 512;                        ///< cut to what the context leaves
  const Tokenizer* tokenizer = nullptr;            ///< null: no text, no stop strings
  std::function<Status(std::string_view)> emit;    ///< gets certain text as it comes, whole characters; may be empty
  const std::atomic<bool>* interrupted = nullptr;  ///< looked at between steps
};

enum class FinishReason : uint8_t { kStop, kLength, kInterrupted };

struct Generation {
  std::string text;                     ///< without stop strings
  std::vector<int32_t> ids;             ///< generated tokens, the end token included
  std::vector<TokenLogprobs> logprobs;  ///< one a token when asked for
  FinishReason finish = FinishReason::kLength;
  uint32_t prefilled = 0;  ///< prompt tokens that were not cached
  double prefillSeconds = 0, decodeSeconds = 0;
  double firstTokenMilliseconds = 0;  ///< since process start
};

/// Runs all but already cached prompt tokens through the executor in steps of at most limits().maxTokens; logits of the
/// last one are row 0. Requires: cache.length() < prompt.size(). When `interrupted` becomes true it returns before the
/// next step, with what was done in the cache: cache.length() < prompt.size() still.
Status prefill(Executor& executor, SequenceCache& cache, std::span<const int32_t> prompt,
               const std::atomic<bool>* interrupted = nullptr, bool logits = true);

/// One token `id` at the end of the sequence; its logits are row 0.
Status decode(Executor& executor, SequenceCache& cache, int32_t id, bool logits = true);

/// Generates. On return the cache holds the prompt and all generated tokens but the last. After an error the cache
/// holds tokens up to the step that failed.
Result<Generation> generate(Executor& executor, SequenceCache& cache, const GenerationRequest& request);

/// "stop", "length"; "abort" for an interrupted answer.
const char* finishName(FinishReason reason);

}  // namespace llmc::rt
