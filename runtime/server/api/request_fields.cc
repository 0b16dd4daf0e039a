// Ranges of the fields that all APIs share.
#include "runtime/server/api/request_fields.h"

#include <algorithm>
#include <charconv>

#include "runtime/base/limits.h"
#include "runtime/server/request_id.h"

namespace llmc::rt::server {
namespace {

void readLogitBias(FieldReader& fields, uint32_t vocabulary, SamplingParams& sampling) {
  const Json* map = fields.find("logit_bias");
  if (!map) return;
  const auto fail = [&](std::string why) { fields.fail(invalidValue("logit_bias", "'logit_bias' " + std::move(why))); };
  if (!map->is_object() || map->size() > static_cast<size_t>(limits::kLogitBiases))
    return fail("must be an object of at most " + std::to_string(limits::kLogitBiases) + " token ids");
  std::string wrong;
  for (const auto& [key, value] : map->items()) {
    int64_t id = -1;
    const auto end = key.data() + key.size();
    if (std::from_chars(key.data(), end, id).ptr != end || id < 0 || id >= vocabulary) {
      if (wrong.size() < 200) wrong += (wrong.empty() ? "'" : ", '") + escaped(key, 40) + "'";
      continue;
    }
    const double bias = value.is_number() ? value.get<double>() : 1e9;
    if (!(bias >= -100 && bias <= 100)) return fail("of " + escaped(key, 40) + " must be a number in [-100, 100]");
    sampling.logitBias.emplace_back(static_cast<int32_t>(id), static_cast<float>(bias));
  }
  if (!wrong.empty())
    fail("must have token ids below " + std::to_string(vocabulary) + " as keys, which these are not: " + wrong);
}

void readSeed(FieldReader& fields, GenerateRequest& out) {
  const Json* seed = fields.find("seed");
  if (!seed) return;
  out.seedGiven = true;
  fields.integer("seed", INT64_MIN, INT64_MAX, out.sampling.seed);
}

/// What an answer must look like; even an empty one is a wish, which this server cannot keep.
void refuseStructured(FieldReader& fields) {
  for (const char* name : {"structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar",
                           "guided_decoding_backend", "guided_whitespace_pattern", "grammar", "json_schema"})
    if (fields.find(name)) return fields.fail(unsupported(name));
}

}  // namespace

bool isNeutral(const Json& value) {
  return value.is_null() || value == false || ((value.is_array() || value.is_object()) && value.empty()) ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

void refuseFields(FieldReader& fields, std::span<const char* const> names) {
  for (const char* name : names)
    if (const Json* value = fields.find(name); value && !isNeutral(*value)) return fields.fail(unsupported(name));
}

void refuseTools(FieldReader& fields) {
  static constexpr const char* kTools[] = {"tools"};
  refuseFields(fields, kTools);
  refuseOthers(fields, "tool_choice", {"none"}, "\"none\"");
}

void refuseOthers(FieldReader& fields, const char* name, std::initializer_list<Json> allowed, const char* what) {
  const Json* value = fields.find(name);
  if (!value || std::find(allowed.begin(), allowed.end(), *value) != allowed.end()) return;
  fields.fail(unsupported(name, "'" + std::string(name) + "' may only be " + what + " here"));
}

void refuseFormats(FieldReader& fields, const Json* format, const std::string& param) {
  if (!format || format->is_null()) return;
  const auto type = format->is_object() ? format->find("type") : format->end();
  if (!format->is_object() || type == format->end() || !type->is_string())
    fields.fail(invalidValue(param, "'" + param + "' must be an object with a type"));
  else if (*type != "text")
    fields.fail(unsupported(param, "'" + param + "' may only be {\"type\": \"text\"} here"));
}

void readStream(FieldReader& fields, GenerateRequest& out) {
  fields.boolean("stream", out.stream);
  fields.integer("stream_interval", 1, INT32_MAX, out.streamInterval);
}

void readSampling(FieldReader& fields, const ModelFacts& facts, const char* stops, GenerateRequest& out) {
  SamplingParams& sampling = out.sampling;
  refuseStructured(fields);
  fields.real("temperature", 0, 100, sampling.temperature);
  fields.real("top_p", 0, 1, sampling.topP, /*open=*/true);
  fields.real("min_p", 0, 1, sampling.minP);
  int64_t topK = sampling.topK;
  fields.integer("top_k", -1, INT64_MAX, topK);
  sampling.topK = static_cast<int32_t>(std::min<int64_t>(topK, facts.vocabulary));
  fields.real("typical_p", 0, 1, sampling.typicalP, /*open=*/true);
  fields.real("repetition_penalty", 0, 100, sampling.repetitionPenalty, /*open=*/true);
  fields.real("presence_penalty", -2, 2, sampling.presencePenalty);
  fields.real("frequency_penalty", -2, 2, sampling.frequencyPenalty);
  readSeed(fields, out);
  readLogitBias(fields, facts.vocabulary, sampling);
  fields.ids("allowed_token_ids", facts.vocabulary, facts.vocabulary, sampling.allowedIds);
  if (const Json* allowed = fields.find("allowed_token_ids"); allowed && allowed->empty())
    fields.fail(invalidValue("allowed_token_ids", "'allowed_token_ids' must not be empty"));
  if (const Json* words = fields.find("bad_words"); words && !words->is_array())
    fields.fail(invalidValue("bad_words", "'bad_words' must be a list of texts"));
  fields.texts("bad_words", limits::kBadWords, limits::kStopStringBytes, out.badWords);
  fields.texts(stops, limits::kStopStrings, limits::kStopStringBytes, out.stops);
  fields.ids("stop_token_ids", limits::kStopTokenIds, facts.vocabulary, out.stopTokenIds);
  fields.boolean("ignore_eos", out.ignoreEos);
  fields.boolean("include_stop_str_in_output", out.includeStop);
  fields.boolean("skip_special_tokens", out.skipSpecialTokens);
}

void readMaxTokens(FieldReader& fields, const char* name, int64_t least, GenerateRequest& out) {
  // Any length that a 32-bit context could hold; the context itself is checked once the prompt has tokens.
  const int64_t most = INT32_MAX;
  uint32_t limit = 0;
  fields.integer(name, least, most, limit);
  if (fields.find(name)) out.maxTokens = limit;
  if (out.api == Api::kCompletions && !out.maxTokens) out.maxTokens = 16;
  fields.integer("min_tokens", 0, most, out.sampling.minTokens);
  if (out.maxTokens && out.sampling.minTokens > *out.maxTokens)
    fields.fail(invalidValue(
        "min_tokens", "'min_tokens' is more than '" + std::string(name) + "', " + std::to_string(*out.maxTokens)));
}

namespace {

/// `name` as vLLM reads it: more than the context is a mistake, -1 what the answer leaves of it.
void readTruncation(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out) {
  if (fields.find("truncate_prompt_tokens")) {
    int32_t keep = 1;
    fields.integer("truncate_prompt_tokens", -1, facts.context, keep);
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

void readOrderAndCache(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out) {
  fields.integer("priority", INT64_MIN, INT64_MAX, out.priority);
  if (out.priority != 0 && !facts.priorities)
    fields.fail(invalidValue("priority", "'priority' is " + std::to_string(out.priority) +
                                             ", but this server has no order by priority; leave it out or send 0, or "
                                             "start the server with --policy priority"));
  std::string ignored;
  for (const char* name : {"user", "session_id", "safety_identifier", "prompt_cache_key"})
    fields.word(name, limits::kNameBytes, ignored);
  fields.text("request_id", limits::kBodyBytes, out.requestId);
  if (fields.find("request_id") && !isSafeRequestId(out.requestId))
    fields.fail(invalidValue("request_id", "'request_id' must be 1 to " + std::to_string(limits::kRequestIdBytes) +
                                               " letters, digits, '-', '_', '.' and ':'"));
  fields.word("cache_salt", limits::kCacheSaltBytes, out.cacheSalt);
  if (const Json* salt = fields.find("cache_salt"); salt && out.cacheSalt.empty())
    fields.fail(invalidValue("cache_salt", "'cache_salt' must not be empty"));
  readTruncation(fields, facts, out);
}

namespace {

void readEffort(FieldReader& fields, const Effort& effort, Json& variables) {
  static constexpr const char* kEfforts[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
  if (effort.off && !variables.contains("enable_thinking")) variables["enable_thinking"] = false;
  if (!effort.value || effort.value->is_null()) return;
  if (std::find(std::begin(kEfforts), std::end(kEfforts), *effort.value) == std::end(kEfforts))
    return fields.fail(invalidValue(
        effort.name, "'" + std::string(effort.name) + "' must be none, minimal, low, medium, high, xhigh or max"));
  variables["reasoning_effort"] = *effort.value;
  // Templates that think only when they are told to read this name.
  if (!variables.contains("enable_thinking")) variables["enable_thinking"] = *effort.value != "none";
}

}  // namespace

void readTemplateVariables(FieldReader& fields, const Effort& effort, ChatFields& out) {
  Json variables = Json::object();
  if (const Json* given = fields.find("chat_template_kwargs")) {
    if (!given->is_object())
      return fields.fail(invalidValue("chat_template_kwargs", "'chat_template_kwargs' must be an object"));
    for (const char* taken : {"messages", "chat_template", "tokenize", "add_generation_prompt"})
      if (given->contains(taken))
        return fields.fail(
            unsupported("chat_template_kwargs", "'chat_template_kwargs' must not hold '" + std::string(taken) + "'"));
    variables = *given;
  }
  if (const Json* documents = fields.find("documents")) {
    const bool objects = documents->is_array() && documents->size() <= static_cast<size_t>(limits::kDocuments) &&
                         std::all_of(documents->begin(), documents->end(), [](const Json& d) { return d.is_object(); });
    if (!objects)
      return fields.fail(invalidValue(
          "documents", "'documents' must be a list of at most " + std::to_string(limits::kDocuments) + " objects"));
    variables["documents"] = *documents;
  }
  readEffort(fields, effort, variables);
  if (!variables.empty()) out.variables = variables.dump();
}

}  // namespace llmc::rt::server
