// JSON to parameters.
#include "runtime/main/sampling_defaults.h"

#include <nlohmann/json.hpp>
#include <random>

namespace llmc::rt {
namespace {

using Json = nlohmann::json;

template <typename T>
void readNumber(const Json& json, const char* name, T& out) {
  const auto entry = json.find(name);
  if (entry != json.end() && entry->is_number()) out = entry->get<T>();
}

}  // namespace

Result<SamplingDefaults> readDefaults(std::string_view text) {
  SamplingDefaults defaults;
  SamplingParams& params = defaults.params;
  params.temperature = 0;
  if (text.empty()) return defaults;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return Status::error(ErrorKind::kBadInput, "EN_DEFAULTS", "the engine's sampling defaults are no JSON object");
  // transformers samples only when do_sample says so; a temperature without do_sample is a wish all the same.
  const auto sample = json.find("do_sample");
  const bool sampling =
      sample != json.end() && sample->is_boolean() ? sample->get<bool>() : json.contains("temperature");
  if (sampling) params.temperature = 1;
  if (sampling) readNumber(json, "temperature", params.temperature);
  readNumber(json, "top_p", params.topP);
  readNumber(json, "top_k", params.topK);
  readNumber(json, "min_p", params.minP);
  readNumber(json, "typical_p", params.typicalP);
  readNumber(json, "repetition_penalty", params.repetitionPenalty);
  const auto eos = json.find("eos_token_id");
  if (eos != json.end() && eos->is_number_integer()) defaults.eosIds.push_back(eos->get<int32_t>());
  if (eos != json.end() && eos->is_array())
    for (const auto& id : *eos)
      if (id.is_number_integer()) defaults.eosIds.push_back(id.get<int32_t>());
  if (Status status = checkParams(params, INT32_MAX); !status)
    return Status::error(ErrorKind::kBadInput, "EN_DEFAULTS", "sampling defaults of the engine: " + status.message());
  return defaults;
}

SamplingParams applyFlags(SamplingParams params, const Flags& flags) {
  params.temperature = flags.temperature.value_or(params.temperature);
  params.topP = flags.topP.value_or(params.topP);
  params.topK = flags.topK.value_or(params.topK);
  params.minP = flags.minP.value_or(params.minP);
  params.typicalP = flags.typicalP.value_or(params.typicalP);
  params.repetitionPenalty = flags.repetitionPenalty.value_or(params.repetitionPenalty);
  params.presencePenalty = flags.presencePenalty.value_or(params.presencePenalty);
  params.frequencyPenalty = flags.frequencyPenalty.value_or(params.frequencyPenalty);
  params.minTokens = flags.minTokens;
  params.logprobs = flags.logprobs;
  params.seed = flags.seed ? *flags.seed : uint64_t{std::random_device{}()} << 32 | std::random_device{}();
  return params;
}

}  // namespace llmc::rt
