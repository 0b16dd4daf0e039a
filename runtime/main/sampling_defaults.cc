// JSON to parameters.
#include "runtime/main/sampling_defaults.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

namespace llmc::rt {
namespace {

using Json = nlohmann::json;

constexpr double kOpenAiTemperature = 1;

template <typename T>
void readNumber(const Json& json, const char* name, T& out) {
  const auto entry = json.find(name);
  if (entry != json.end() && entry->is_number()) out = entry->get<T>();
}

/// The fields of generation_config that this runtime reads as sampling parameters.
constexpr const char* kNames[] = {"temperature", "top_p", "top_k", "min_p", "typical_p", "repetition_penalty"};

void readParams(const Json& json, SamplingParams& params) {
  readNumber(json, "temperature", params.temperature);
  readNumber(json, "top_p", params.topP);
  readNumber(json, "top_k", params.topK);
  readNumber(json, "min_p", params.minP);
  readNumber(json, "typical_p", params.typicalP);
  readNumber(json, "repetition_penalty", params.repetitionPenalty);
}

Status overrideError(const std::string& what) {
  return Status::error(ErrorKind::kUsage, "CLI_FLAG", "--override-generation-config " + what,
                       "give a JSON object of temperature, top_p, top_k, min_p, typical_p, repetition_penalty, as in "
                       "'{\"temperature\": 0.7}'");
}

/// `text` over `params`; a name that would do nothing is a mistake.
Status applyOverride(const std::string& text, SamplingParams& params) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return overrideError("is no JSON object: '" + escaped(text, 60) + "'");
  for (const auto& [name, value] : json.items()) {
    if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames))
      return overrideError("does not know '" + escaped(name, 60) + "'");
    if (name == "top_k" ? !value.is_number_integer() : !value.is_number())
      return overrideError("has a '" + name + "' that is no " + (name == "top_k" ? "whole number" : "number"));
  }
  readParams(json, params);
  const Status status = checkParams(params, INT32_MAX);
  return status ? Status::ok() : overrideError("is out of range: " + status.message());
}

}  // namespace

Result<SamplingDefaults> readDefaults(std::string_view text) {
  SamplingDefaults defaults;
  defaults.params.temperature = 0;
  defaults.served.temperature = kOpenAiTemperature;
  if (text.empty()) return defaults;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return Status::error(ErrorKind::kBadInput, "EN_DEFAULTS", "the engine's sampling defaults are no JSON object");
  readParams(json, defaults.served);
  defaults.params = defaults.served;
  // transformers samples only when do_sample says so; a temperature without do_sample is a wish all the same.
  const auto sample = json.find("do_sample");
  const bool sampling =
      sample != json.end() && sample->is_boolean() ? sample->get<bool>() : json.contains("temperature");
  if (!sampling) defaults.params.temperature = 0;
  defaults.perhapsReplaced = sample == json.end() && json.contains("temperature") && defaults.served.temperature == 0;
  const auto eos = json.find("eos_token_id");
  if (eos != json.end() && eos->is_number_integer()) defaults.eosIds.push_back(eos->get<int32_t>());
  if (eos != json.end() && eos->is_array())
    for (const auto& id : *eos)
      if (id.is_number_integer()) defaults.eosIds.push_back(id.get<int32_t>());
  if (Status status = checkParams(defaults.served, INT32_MAX); !status)
    return Status::error(ErrorKind::kBadInput, "EN_DEFAULTS", "sampling defaults of the engine: " + status.message());
  return defaults;
}

std::string samplingText(const SamplingParams& params) {
  const SamplingParams neutral;
  char text[160];
  std::snprintf(text, sizeof text, "temperature %g", params.temperature);
  std::string out = text;
  const auto add = [&](const char* name, double value, double without) {
    std::snprintf(text, sizeof text, ", %s %g", name, value);
    if (value != without) out += text;
  };
  add("top_p", params.topP, neutral.topP);
  add("top_k", params.topK, neutral.topK);
  add("min_p", params.minP, neutral.minP);
  add("typical_p", params.typicalP, neutral.typicalP);
  add("repetition_penalty", params.repetitionPenalty, neutral.repetitionPenalty);
  return out;
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

Result<SamplingParams> servedDefaults(const SamplingDefaults& defaults, const Flags& flags) {
  SamplingParams params = defaults.served;
  if (flags.generationConfig == "vllm") {
    params = {};
    params.temperature = kOpenAiTemperature;
  } else if (flags.generationConfig != "auto") {
    return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                         "--generation-config must be auto (the engine's) or vllm (none), got '" +
                             escaped(flags.generationConfig, 60) + "'",
                         "the engine holds the model's generation config; --override-generation-config changes it");
  }
  if (!flags.overrideGenerationConfig.empty()) LLMC_TRY(applyOverride(flags.overrideGenerationConfig, params));
  return applyFlags(params, flags);
}

}  // namespace llmc::rt
