// The engine's DEFAULTS (the model's generation_config) and the flags on top of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/main/flags.h"
#include "runtime/sample/sampling_params.h"

namespace llmc::rt {

struct SamplingDefaults {
  SamplingParams params;  ///< of the command line: greedy where the model says nothing, or do_sample false
  /// Of a server, as vLLM has them: do_sample is not looked at, and without a temperature it is OpenAI's, 1.
  SamplingParams served;
  std::vector<int32_t> eosIds;  ///< of generation_config; to be joined with the plan's
  /// The temperature is 0 and nothing says do_sample: so wrote builds that replaced a model's temperature by do_sample
  /// false, which a server must not heed.
  bool perhapsReplaced = false;
};

/// Reads generation_config names (do_sample, temperature, top_p, top_k, min_p, typical_p, repetition_penalty,
/// eos_token_id); others are ignored. Empty text: no defaults. Error EN_DEFAULTS (65).
Result<SamplingDefaults> readDefaults(std::string_view json);

/// What a request of a server has that names nothing: `defaults.served` or, with --generation-config vllm, OpenAI's;
/// over these --override-generation-config, over it the flags of each parameter. Error CLI_FLAG (64).
Result<SamplingParams> servedDefaults(const SamplingDefaults& defaults, const Flags& flags);

/// "temperature 0.6, top_p 0.95": what is not as OpenAI's defaults, and the temperature.
std::string samplingText(const SamplingParams& params);

/// `defaults` with the flags that were given. A seed that was not given is random.
SamplingParams applyFlags(SamplingParams defaults, const Flags& flags);

}  // namespace llmc::rt
