// Fields of /v1/chat/completions and /v1/completions: OpenAI's and vLLM's.
#include <algorithm>
#include <cmath>

#include "runtime/base/limits.h"
#include "runtime/server/api/request_fields.h"

namespace llmc::rt::server {
namespace {

/// Of OpenAI's or vLLM's fields those that need what this server lacks.
constexpr const char* kUnsupported[] = {"functions",
                                        "function_call",
                                        "media_io_kwargs",
                                        "mm_processor_kwargs",
                                        "chat_template",
                                        "kv_transfer_params",
                                        "ec_transfer_params",
                                        "vllm_xargs",
                                        "watermarking",
                                        "prompt_embeds",
                                        "suffix",
                                        "audio",
                                        "prediction",
                                        "web_search_options",
                                        "lora_request"};

void refuseUnsupported(FieldReader& fields) {
  refuseFields(fields, kUnsupported);
  if (const Json* budget = fields.find("thinking_token_budget"); budget && !isNeutral(*budget))
    fields.fail(unsupported("thinking_token_budget",
                            "'thinking_token_budget' cannot be kept: this server does not know where the model's "
                            "thinking ends; leave it out, and bound the whole answer by 'max_tokens'"));
  refuseTools(fields);
  refuseOthers(fields, "modalities", {Json::array({"text"})}, "[\"text\"]");
  refuseFormats(fields, fields.find("response_format"), "response_format");
}

void readLogprobs(FieldReader& fields, uint32_t vocabulary, GenerateRequest& out) {
  if (out.chat()) {
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
  const Json* ofPrompt = fields.find("prompt_logprobs");
  // vLLM's word for the whole vocabulary, which is more than its most, too.
  if (ofPrompt && *ofPrompt == -1)
    fields.fail(invalidValue("prompt_logprobs", "'prompt_logprobs' -1 asks for all " + std::to_string(vocabulary) +
                                                    " tokens at each place; this server gives at most " +
                                                    std::to_string(limits::kTopLogprobs) + ": send 0 to " +
                                                    std::to_string(limits::kTopLogprobs)));
  fields.integer("prompt_logprobs", 0, limits::kTopLogprobs, out.promptLogprobs);
  if (out.stream && out.promptLogprobs > 0)
    fields.fail(invalidValue("prompt_logprobs", "'prompt_logprobs' cannot be streamed; leave out 'stream'"));
  if (out.stream) out.promptLogprobs = -1;  // 0 is taken and not shown, as in vLLM
  std::vector<int32_t>& ids = out.sampling.logprobIds;
  fields.ids("logprob_token_ids", limits::kLogprobTokenIds, vocabulary, ids);
  if (const Json* given = fields.find("logprob_token_ids"); given && (ids.empty() || out.sampling.logprobs < 0))
    fields.fail(invalidValue("logprob_token_ids", "'logprob_token_ids' must not be empty, and needs 'logprobs'"));
  if (out.echo && out.sampling.logprobs >= 0) out.promptLogprobs = std::max(out.promptLogprobs, out.sampling.logprobs);
}

void readCounts(FieldReader& fields, GenerateRequest& out) {
  const bool newName = out.chat() && fields.find("max_completion_tokens");
  // An echo without an answer is how prompts are scored.
  const int64_t least = out.echo && !out.chat() ? 0 : 1;
  readMaxTokens(fields, newName ? "max_completion_tokens" : "max_tokens", least, out);
  uint32_t unheeded = 0;
  if (newName) fields.integer("max_tokens", least, INT32_MAX, unheeded);
  fields.integer("n", 1, limits::kChoices, out.choices);
  out.shown = out.choices;
  fields.integer("best_of", 1, limits::kChoices, out.choices);
  if (out.choices < out.shown) fields.fail(invalidValue("best_of", "'best_of' must not be less than 'n'"));
  // Which answers are best is known when all have ended.
  if (out.choices > out.shown && out.stream)
    fields.fail(invalidValue("best_of", "'best_of' cannot be streamed; leave out 'stream'"));
}

/// All choices of all prompts: each holds memory from the beginning.
void checkAnswers(FieldReader& fields, const GenerateRequest& request) {
  const uint64_t prompts = std::max<size_t>(request.prompts.size(), 1), answers = prompts * request.choices;
  if (answers <= static_cast<uint64_t>(limits::kAnswersPerCall)) return;
  const std::string name = request.choices > request.shown ? "best_of" : "n";
  fields.fail(invalidValue(name, "'" + name + "' is " + std::to_string(request.choices) + " for " +
                                     std::to_string(prompts) + " prompts, " + std::to_string(answers) +
                                     " answers; send at most " + std::to_string(limits::kAnswersPerCall) +
                                     " in one request"));
}

void readRepetition(FieldReader& fields, RepetitionRule& out) {
  const Json* rule = fields.find("repetition_detection");
  if (!rule) return;
  if (!rule->is_object())
    return fields.fail(invalidValue("repetition_detection", "'repetition_detection' must be an object"));
  FieldReader inner(*rule, "repetition_detection.");
  uint32_t shortest = 0, count = 0;
  inner.integer("max_pattern_size", 0, limits::kRepeatedTokens, out.longest);
  inner.integer("min_pattern_size", 0, limits::kRepeatedTokens, shortest);
  inner.integer("min_count", 0, limits::kRepeatedTokens, count);
  if (inner.fault()) return fields.fail(*inner.fault());
  if (out.longest == 0 && shortest == 0) return;
  out.shortest = std::max(shortest, 1u);
  out.count = count;
  const uint64_t tokens = uint64_t{out.longest} * count;
  if (out.shortest > out.longest || count < 2 || tokens > static_cast<uint64_t>(limits::kRepeatedTokens))
    fields.fail(invalidValue("repetition_detection",
                             "'repetition_detection' needs min_pattern_size <= max_pattern_size, min_count >= 2, and "
                             "max_pattern_size times min_count of at most " +
                                 std::to_string(limits::kRepeatedTokens)));
}

/// Fields that a search has no use for, as it draws nothing, must not look as if they were heeded. (vLLM drops them.)
constexpr std::pair<const char*, double> kNoBeams[] = {{"min_tokens", 0},
                                                       {"repetition_penalty", 1},
                                                       {"presence_penalty", 0},
                                                       {"frequency_penalty", 0},
                                                       {"stop", NAN},
                                                       {"stop_token_ids", NAN},
                                                       {"bad_words", NAN},
                                                       {"logit_bias", NAN},
                                                       {"allowed_token_ids", NAN},
                                                       {"logprob_token_ids", NAN},
                                                       {"repetition_detection", NAN}};

/// `use_beam_search`: of sampling only the log probabilities are left.
void readBeams(FieldReader& fields, GenerateRequest& out) {
  fields.boolean("use_beam_search", out.beamSearch);
  fields.real("length_penalty", -100, 100, out.lengthPenalty);
  if (!out.beamSearch && out.lengthPenalty != 1)
    fields.fail(invalidValue("length_penalty", "'length_penalty' needs 'use_beam_search' to be true"));
  if (!out.beamSearch || fields.fault()) return;
  if (out.stream) fields.fail(invalidValue("stream", "a beam search cannot be streamed; leave out 'stream'"));
  if (out.choices > out.shown)
    fields.fail(invalidValue("best_of", "a beam search shows its 'n' best beams; leave out 'best_of'"));
  if (out.maxTokens == 0u) fields.fail(invalidValue(out.lengthField(), "a beam search needs at least one token"));
  if (out.choices > limits::kBeamWidth)
    fields.fail(invalidValue("n", "'n' is the width of a beam search and must be at most " +
                                      std::to_string(limits::kBeamWidth) + ", got " + std::to_string(out.choices)));
  for (const auto& [name, neutral] : kNoBeams) {
    const Json* value = fields.find(name);
    if (!value || (value->is_number() && value->get<double>() == neutral) || (!value->is_number() && value->empty()))
      continue;
    fields.fail(invalidValue(name, "a beam search does not heed '" + std::string(name) + "'; leave it out"));
  }
  SamplingParams plain;
  plain.temperature = 0;
  plain.logprobs = out.sampling.logprobs;
  out.sampling = plain;
}

/// What changes no answer here: no text of ours has spaces between special tokens, offsets are of routes that vLLM
/// alone has, reasoning stays in the text, and there are no tools.
void checkWithoutEffect(FieldReader& fields) {
  bool ignored = false;
  for (const char* name :
       {"spaces_between_special_tokens", "return_token_offsets", "include_reasoning", "parallel_tool_calls"})
    fields.boolean(name, ignored);
}

void readStreaming(FieldReader& fields, GenerateRequest& out) {
  readStream(fields, out);
  const Json* options = fields.find("stream_options");
  if (!options || (!out.stream && options->is_object() && options->empty())) return;
  if (!out.stream) return fields.fail(invalidValue("stream_options", "'stream_options' needs 'stream' to be true"));
  if (!options->is_object()) return fields.fail(invalidValue("stream_options", "'stream_options' must be an object"));
  FieldReader inner(*options, "stream_options.");
  inner.boolean("include_usage", out.includeUsage);
  inner.boolean("continuous_usage_stats", out.continuousUsage);
  out.continuousUsage = out.continuousUsage && out.includeUsage;
  if (inner.fault()) fields.fail(*inner.fault());
}

}  // namespace

void readOpenAiFields(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out) {
  refuseUnsupported(fields);
  readStreaming(fields, out);
  fields.boolean("echo", out.echo);
  readCounts(fields, out);
  readSampling(fields, facts, "stop", out);
  readLogprobs(fields, facts.vocabulary, out);
  readRepetition(fields, out.repetition);
  readBeams(fields, out);
  checkWithoutEffect(fields);
  fields.boolean("return_token_ids", out.returnTokenIds);
  fields.boolean("return_prompt_text", out.returnPromptText);
  fields.boolean("return_tokens_as_token_ids", out.tokensAsIds);
  readOrderAndCache(fields, facts, out);
  if (out.chat()) {
    readChatFields(fields, out.messages);
  } else {
    fields.boolean("add_special_tokens", out.addSpecialTokens);
    readPrompts(fields, facts, out.prompts);
  }
  checkAnswers(fields, out);
}

}  // namespace llmc::rt::server
