// Two tables: what only the older APIs do, and what goes by another name.
#include "runtime/server/api/foreign_fields.h"

#include <string>

#include "runtime/server/api/request_fields.h"

namespace llmc::rt::server {
namespace {

struct Foreign {
  const char* name;
  Json absent = nullptr;  ///< what leaving it out means; null: isNeutral() knows
};

struct OtherName {
  const char* name;
  const char* here;
};

constexpr OtherName kOfMessages[] = {
    {"max_completion_tokens", "max_tokens"},      {"max_output_tokens", "max_tokens"},   {"stop", "stop_sequences"},
    {"reasoning_effort", "output_config.effort"}, {"reasoning", "output_config.effort"}, {"instructions", "system"}};
constexpr OtherName kOfResponses[] = {{"max_tokens", "max_output_tokens"},
                                      {"max_completion_tokens", "max_output_tokens"},
                                      {"stop_sequences", "stop"},
                                      {"reasoning_effort", "reasoning.effort"},
                                      {"logprobs", "include: [\"message.output_text.logprobs\"]"},
                                      {"system", "instructions"}};

/// Made once: a body is looked through for each of them.
const std::vector<Foreign>& ofOlderApis() {
  static const std::vector<Foreign> kAll = {{"use_beam_search"},
                                            {"length_penalty", 1},
                                            {"n", 1},
                                            {"best_of", 1},
                                            {"echo"},
                                            {"logprobs"},
                                            {"top_logprobs", 0},
                                            {"prompt_logprobs"},
                                            {"logprob_token_ids"},
                                            {"repetition_detection"},
                                            {"return_token_ids"},
                                            {"return_tokens_as_token_ids"},
                                            {"return_prompt_text"},
                                            {"add_generation_prompt", true},
                                            {"continue_final_message"},
                                            {"add_special_tokens"},
                                            {"thinking_token_budget"},
                                            {"response_format", Json::object({{"type", "text"}})},
                                            {"modalities", Json::array({"text"})},
                                            {"functions"},
                                            {"function_call"},
                                            {"chat_template"},
                                            {"media_io_kwargs"},
                                            {"mm_processor_kwargs"},
                                            {"kv_transfer_params"},
                                            {"ec_transfer_params"},
                                            {"vllm_xargs"},
                                            {"watermarking"},
                                            {"prompt_embeds"},
                                            {"lora_request"},
                                            {"suffix"},
                                            {"audio"},
                                            {"prediction"},
                                            {"web_search_options"}};
  return kAll;
}

}  // namespace

void refuseForeign(FieldReader& fields, Api api) {
  const bool messages = api == Api::kMessages;
  const std::string path = messages ? "/v1/messages" : "/v1/responses";
  const std::span<const OtherName> renamed = messages ? std::span<const OtherName>(kOfMessages) : kOfResponses;
  for (const auto& [name, here] : renamed)
    if (const Json* value = fields.find(name); value && !isNeutral(*value))
      fields.fail(unsupported(name, "'" + std::string(name) + "' is '" + here + "' on " + path));
  for (const auto& [name, absent] : ofOlderApis()) {
    // Of this name /v1/responses has its own.
    if (!messages && std::string_view(name) == "top_logprobs") continue;
    const Json* value = fields.find(name);
    if (!value || (absent.is_null() ? isNeutral(*value) : *value == absent)) continue;
    fields.fail(unsupported(name, "'" + std::string(name) + "' is not supported on " + path + "; leave it out"));
  }
}

}  // namespace llmc::rt::server
