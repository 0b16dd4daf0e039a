// One table says what is refused, the rest is field by field.
#include "runtime/server/api/generate_request.h"

#include <algorithm>
#include <charconv>

#include "runtime/base/limits.h"

namespace llmc::rt::server {
namespace {

/// Of OpenAI's or vLLM's fields those that need what this server lacks.
constexpr const char* kUnsupported[] = {"tools",
                                        "functions",
                                        "function_call",
                                        "structured_outputs",
                                        "guided_json",
                                        "guided_regex",
                                        "guided_choice",
                                        "guided_grammar",
                                        "guided_decoding_backend",
                                        "grammar",
                                        "json_schema",
                                        "documents",
                                        "media_io_kwargs",
                                        "mm_processor_kwargs",
                                        "chat_template",
                                        "logprob_token_ids",
                                        "thinking_token_budget",
                                        "use_beam_search",
                                        "kv_transfer_params",
                                        "vllm_xargs",
                                        "repetition_detection",
                                        "return_token_offsets",
                                        "return_prompt_text",
                                        "prompt_embeds",
                                        "suffix",
                                        "audio",
                                        "prediction",
                                        "web_search_options",
                                        "lora_request"};

/// Values that mean the same as leaving the field out.
bool isNeutral(const Json& value) {
  return value.is_null() || value == false || ((value.is_array() || value.is_object()) && value.empty()) ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

void refuseUnsupported(FieldReader& fields) {
  for (const char* name : kUnsupported)
    if (const Json* value = fields.find(name); value && !isNeutral(*value)) return fields.fail(unsupported(name));
  const auto only = [&](const char* name, const Json& allowed, const char* what) {
    if (const Json* value = fields.find(name); value && *value != allowed)
      fields.fail(unsupported(name, "'" + std::string(name) + "' may only be " + what + " here"));
  };
  only("tool_choice", "none", "\"none\"");
  only("spaces_between_special_tokens", true, "true");
  only("length_penalty", 1.0, "1");
  only("modalities", Json::array({"text"}), "[\"text\"]");
  if (const Json* format = fields.find("response_format")) {
    const auto type = format->is_object() ? format->find("type") : format->end();
    if (!format->is_object() || type == format->end() || !type->is_string())
      fields.fail(invalidValue("response_format", "'response_format' must be an object with a type"));
    else if (*type != "text")
      fields.fail(unsupported("response_format", "'response_format' may only be {\"type\": \"text\"} here"));
  }
}

void readLogitBias(FieldReader& fields, uint32_t vocabulary, SamplingParams& sampling) {
  const Json* map = fields.find("logit_bias");
  if (!map) return;
  const auto fail = [&](std::string why) { fields.fail(invalidValue("logit_bias", "'logit_bias' " + std::move(why))); };
  if (!map->is_object() || map->size() > static_cast<size_t>(limits::kLogitBiases))
    return fail("must be an object of at most " + std::to_string(limits::kLogitBiases) + " token ids");
  for (const auto& [key, value] : map->items()) {
    int64_t id = -1;
    const auto end = key.data() + key.size();
    if (std::from_chars(key.data(), end, id).ptr != end || id < 0 || id >= vocabulary)
      return fail("has the key '" + escaped(key, 40) + "', which is no token id below " + std::to_string(vocabulary));
    const double bias = value.is_number() ? value.get<double>() : 1e9;
    if (!(bias >= -100 && bias <= 100)) return fail("of " + escaped(key, 40) + " must be a number in [-100, 100]");
    sampling.logitBias.emplace_back(static_cast<int32_t>(id), static_cast<float>(bias));
  }
}

void readSeed(FieldReader& fields, GenerateRequest& out) {
  const Json* seed = fields.find("seed");
  if (!seed) return;
  out.seedGiven = true;
  if (seed->is_number_unsigned())
    out.sampling.seed = seed->get<uint64_t>();
  else if (seed->is_number_integer())
    out.sampling.seed = static_cast<uint64_t>(seed->get<int64_t>());
  else
    fields.fail(invalidValue("seed", "'seed' must be an integer of 64 bits"));
}

void readSampling(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out) {
  SamplingParams& sampling = out.sampling;
  fields.real("temperature", 0, 100, sampling.temperature);
  fields.real("top_p", 0, 1, sampling.topP, /*open=*/true);
  fields.real("min_p", 0, 1, sampling.minP);
  fields.integer("top_k", -1, facts.vocabulary, sampling.topK);
  fields.real("typical_p", 0, 1, sampling.typicalP, /*open=*/true);
  fields.real("repetition_penalty", 0, 100, sampling.repetitionPenalty, /*open=*/true);
  fields.real("presence_penalty", -2, 2, sampling.presencePenalty);
  fields.real("frequency_penalty", -2, 2, sampling.frequencyPenalty);
  readSeed(fields, out);
  readLogitBias(fields, facts.vocabulary, sampling);
  fields.ids("allowed_token_ids", facts.vocabulary, facts.vocabulary, sampling.allowedIds);
  if (const Json* allowed = fields.find("allowed_token_ids"); allowed && allowed->empty())
    fields.fail(invalidValue("allowed_token_ids", "'allowed_token_ids' must not be empty"));
  fields.texts("bad_words", limits::kBadWords, limits::kStopStringBytes, out.badWords);
  fields.texts("stop", limits::kStopStrings, limits::kStopStringBytes, out.stops);
  fields.ids("stop_token_ids", limits::kStopTokenIds, facts.vocabulary, out.stopTokenIds);
  fields.boolean("ignore_eos", out.ignoreEos);
  fields.boolean("include_stop_str_in_output", out.includeStop);
  fields.boolean("skip_special_tokens", out.skipSpecialTokens);
}

void readLogprobs(FieldReader& fields, GenerateRequest& out) {
  if (out.chat) {
    bool wanted = false;
    int32_t top = 0;
    fields.boolean("logprobs", wanted);
    fields.integer("top_logprobs", 0, limits::kTopLogprobs, top);
    if (!wanted && top > 0) fields.fail(invalidValue("top_logprobs", "'top_logprobs' needs 'logprobs' to be true"));
    out.sampling.logprobs = wanted ? top : -1;
  } else {
    out.sampling.logprobs = -1;
    fields.integer("logprobs", 0, limits::kTopLogprobs, out.sampling.logprobs);
  }
  fields.integer("prompt_logprobs", -1, limits::kTopLogprobs, out.promptLogprobs);
  if (out.stream && out.promptLogprobs >= 0)
    fields.fail(invalidValue("prompt_logprobs", "'prompt_logprobs' cannot be streamed; leave out 'stream'"));
  if (out.echo && out.sampling.logprobs >= 0) out.promptLogprobs = std::max(out.promptLogprobs, out.sampling.logprobs);
}

void readCounts(FieldReader& fields, GenerateRequest& out) {
  // Any length that a 32-bit context could hold; the context itself is checked once the prompt has tokens.
  const int64_t most = INT32_MAX;
  uint32_t limit = 0;
  const bool newName = out.chat && fields.find("max_completion_tokens");
  const char* name = newName ? "max_completion_tokens" : "max_tokens";
  // An echo without an answer is how prompts are scored.
  fields.integer(name, out.echo ? 0 : 1, most, limit);
  if (fields.find(name)) out.maxTokens = limit;
  if (!out.chat && !out.maxTokens) out.maxTokens = 16;
  fields.integer("min_tokens", 0, most, out.sampling.minTokens);
  if (out.maxTokens && out.sampling.minTokens > *out.maxTokens)
    fields.fail(invalidValue(
        "min_tokens", "'min_tokens' is more than '" + std::string(name) + "', " + std::to_string(*out.maxTokens)));
  fields.integer("n", 1, limits::kChoices, out.choices);
  uint32_t bestOf = out.choices;
  fields.integer("best_of", 1, limits::kChoices, bestOf);
  if (bestOf != out.choices) fields.fail(unsupported("best_of", "'best_of' may only be equal to 'n' here"));
}

void readStreaming(FieldReader& fields, GenerateRequest& out) {
  fields.boolean("stream", out.stream);
  const Json* options = fields.find("stream_options");
  if (!options) return;
  if (!out.stream) return fields.fail(invalidValue("stream_options", "'stream_options' needs 'stream' to be true"));
  if (!options->is_object()) return fields.fail(invalidValue("stream_options", "'stream_options' must be an object"));
  FieldReader inner(*options, "stream_options.");
  inner.boolean("include_usage", out.includeUsage);
  inner.boolean("continuous_usage_stats", out.continuousUsage);
  out.continuousUsage = out.continuousUsage && out.includeUsage;
  if (inner.fault()) fields.fail(*inner.fault());
}

void readCacheAndOrder(FieldReader& fields, GenerateRequest& out) {
  fields.integer("priority", INT32_MIN, INT32_MAX, out.priority);
  std::string ignored;
  for (const char* name : {"user", "request_id", "session_id", "safety_identifier", "prompt_cache_key"})
    fields.text(name, limits::kNameBytes, ignored);
  fields.text("cache_salt", limits::kNameBytes, out.cacheSalt);
  if (const Json* salt = fields.find("cache_salt"); salt && out.cacheSalt.empty())
    fields.fail(invalidValue("cache_salt", "'cache_salt' must not be empty"));
  if (fields.find("truncate_prompt_tokens")) {
    int32_t keep = 0;
    fields.integer("truncate_prompt_tokens", -1, INT32_MAX, keep);
    if (keep == 0)
      fields.fail(invalidValue("truncate_prompt_tokens", "'truncate_prompt_tokens' must be -1 or positive"));
    out.truncatePrompt = keep;
  }
  std::string side = "left";
  fields.text("truncation_side", 16, side);
  if (side != "left" && side != "right")
    fields.fail(invalidValue("truncation_side", "'truncation_side' must be \"left\" or \"right\""));
  out.truncateRight = side == "right";
}

}  // namespace

ApiFault readModel(FieldReader& fields, const ModelFacts& facts, std::string& out) {
  out = facts.names.front();
  fields.text("model", limits::kNameBytes, out);
  if (fields.fault()) return fields.fault();
  if (std::find(facts.names.begin(), facts.names.end(), out) != facts.names.end()) return std::nullopt;
  return ApiError{404, "model_not_found",
                  "the model '" + out + "' does not exist here; this server has '" + facts.names.front() + "'",
                  "model"};
}

ApiFault readGenerateRequest(const Json& body, bool chat, const ModelFacts& facts, GenerateRequest& out) {
  FieldReader fields(body);
  if (ApiFault fault = readModel(fields, facts, out.model)) return fault;
  out.chat = chat;
  out.sampling = facts.defaults;
  refuseUnsupported(fields);
  readStreaming(fields, out);
  fields.boolean("echo", out.echo);
  if (chat && out.echo) fields.fail(unsupported("echo", "'echo' is supported by /v1/completions only"));
  readCounts(fields, out);
  readSampling(fields, facts, out);
  readLogprobs(fields, out);
  fields.boolean("return_token_ids", out.returnTokenIds);
  fields.boolean("return_tokens_as_token_ids", out.tokensAsIds);
  readCacheAndOrder(fields, out);
  if (chat) {
    readChatFields(fields, out.messages);
  } else {
    fields.boolean("add_special_tokens", out.addSpecialTokens);
    readPrompts(fields, facts.vocabulary, out.prompts);
  }
  return fields.fault();
}

}  // namespace llmc::rt::server
