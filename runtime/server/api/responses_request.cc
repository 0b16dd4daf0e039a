// Fields of /v1/responses, as OpenAI names them; nothing is stored, so nothing stored can be gone on with.
#include <algorithm>

#include "runtime/base/limits.h"
#include "runtime/server/api/foreign_fields.h"
#include "runtime/server/api/json_text.h"
#include "runtime/server/api/request_fields.h"

namespace llmc::rt::server {
namespace {

constexpr const char* kRoles[] = {"system", "developer", "user", "assistant"};
constexpr const char* kParts[] = {"input_text", "output_text", "text"};
constexpr MessageRules kRules{kRoles, kParts};
constexpr const char* kUnsupported[] = {"tools",
                                        "previous_response_id",
                                        "conversation",
                                        "background",
                                        "prompt",
                                        "moderation",
                                        "context_management",
                                        "previous_response",
                                        "previous_input_messages",
                                        "enable_response_messages"};

/// OpenAI's words. Those about tools, images and encrypted thoughts add nothing to answers that have none.
constexpr const char* kIncludes[] = {"message.output_text.logprobs",
                                     "reasoning.encrypted_content",
                                     "file_search_call.results",
                                     "web_search_call.results",
                                     "web_search_call.action.sources",
                                     "message.input_image.image_url",
                                     "computer_call_output.output.image_url",
                                     "code_interpreter_call.outputs"};

void refuseUnsupported(FieldReader& fields) {
  refuseFields(fields, kUnsupported);
  refuseForeign(fields, Api::kResponses);
  refuseOthers(fields, "store", {false}, "false: responses are not stored");
  refuseOthers(fields, "truncation", {"disabled"}, "\"disabled\"");
  refuseOthers(fields, "tool_choice", {"none", "auto"}, "\"none\" or \"auto\"");
  const Json* text = fields.find("text");
  if (!text) return;
  if (!text->is_object()) return fields.fail(invalidValue("text", "'text' must be an object"));
  if (text->contains("format")) refuseFormats(fields, &(*text)["format"], "text.format");
}

void readLogprobs(FieldReader& fields, GenerateRequest& out) {
  std::vector<std::string> include;
  int32_t top = 0;
  if (const Json* given = fields.find("include"); given && !given->is_array())
    fields.fail(invalidValue("include", "'include' must be a list of texts, as in [\"message.output_text.logprobs\"]"));
  fields.texts("include", 64, limits::kNameBytes, include);
  for (const std::string& one : include)
    if (std::find(std::begin(kIncludes), std::end(kIncludes), one) == std::end(kIncludes))
      fields.fail(
          invalidValue("include", "'include' must not hold '" + escaped(one, 60) +
                                      "'; of what can be asked for, this server has message.output_text.logprobs"));
  fields.integer("top_logprobs", 0, limits::kTopLogprobs, top);
  const bool wanted =
      top > 0 || std::find(include.begin(), include.end(), "message.output_text.logprobs") != include.end();
  out.sampling.logprobs = wanted ? top : -1;
}

ApiFault readItem(const Json& item, const std::string& place, Json& out) {
  if (!item.is_object()) return invalidValue(place, "'" + place + "' must be an object");
  const auto found = item.find("type");
  const bool typed = found != item.end() && found->is_string();
  const std::string type = typed ? found->get<std::string>() : "message";
  if (type == "message") return readMessage(item, place, kRules, out);
  if (type != "input_text") return unsupportedContent(place, "an item of type '" + escaped(type, 40) + "'");
  std::string text;
  if (ApiFault fault = flattenContent(Json::array({item}), place, kRules, text)) return fault;
  out = Json::object({{"role", "user"}, {"content", text}});
  return std::nullopt;
}

/// `instructions` and `input` as messages.
void readInput(FieldReader& fields, const std::string& instructions, ChatFields& out) {
  Json flat = Json::array();
  if (!instructions.empty()) flat.push_back(Json::object({{"role", "system"}, {"content", instructions}}));
  if (const Json* input = fields.find("input"); input && input->is_string()) {
    if (input->get_ref<const std::string&>().empty()) return fields.fail(invalidValue("input", "'input' is empty"));
    flat.push_back(Json::object({{"role", "user"}, {"content", *input}}));
  } else {
    const Json* items = findMessages(fields, "input");
    if (!items) return;
    for (size_t i = 0; i < items->size(); ++i) {
      Json message;
      if (ApiFault fault = readItem((*items)[i], "input[" + std::to_string(i) + "]", message))
        return fields.fail(*fault);
      flat.push_back(std::move(message));
    }
  }
  out.messages = flat.dump();
}

/// A few short texts by name, which the answer repeats.
void checkMetadata(FieldReader& fields) {
  const Json* metadata = fields.find("metadata");
  if (!metadata) return;
  bool fits = metadata->is_object() && metadata->size() <= limits::kMetadataEntries;
  if (fits)
    for (const auto& [key, value] : metadata->items())
      fits = fits && key.size() <= limits::kMetadataKeyBytes && value.is_string() &&
             value.get_ref<const std::string&>().size() <= limits::kMetadataValueBytes;
  if (!fits)
    fields.fail(invalidValue("metadata", "'metadata' must be an object of at most " +
                                             std::to_string(limits::kMetadataEntries) + " texts of at most " +
                                             std::to_string(limits::kMetadataValueBytes) + " bytes"));
}

std::string repeated(const FieldReader& fields, const std::string& instructions, const GenerateRequest& request) {
  const auto textOr = [&](const char* name, const Json& other) {
    const Json* given = fields.find(name);
    return given ? *given : other;
  };
  Json out = Json::object();
  out["instructions"] = instructions.empty() ? Json(nullptr) : Json(instructions);
  out["max_output_tokens"] = request.maxTokens ? Json(*request.maxTokens) : Json(nullptr);
  out["metadata"] = textOr("metadata", Json::object());
  out["temperature"] = request.sampling.temperature;
  out["top_p"] = request.sampling.topP;
  out["top_logprobs"] = std::max(request.sampling.logprobs, 0);
  out["reasoning"] = Json::object({{"effort", nullptr}, {"summary", nullptr}});
  if (const Json* reasoning = fields.find("reasoning"); reasoning && reasoning->contains("effort"))
    out["reasoning"]["effort"] = (*reasoning)["effort"];
  out["text"] = Json::object({{"format", Json::object({{"type", "text"}})}});
  out["tool_choice"] = textOr("tool_choice", "auto");
  for (const char* name : {"user", "safety_identifier", "prompt_cache_key"}) out[name] = textOr(name, nullptr);
  const std::string object = out.dump();
  return object.substr(1, object.size() - 2);
}

}  // namespace

void readResponsesFields(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out) {
  refuseUnsupported(fields);
  readStream(fields, out);
  bool ignored = false;
  fields.boolean("parallel_tool_calls", ignored);
  readMaxTokens(fields, "max_output_tokens", 1, out);
  readSampling(fields, facts, "stop", out);
  readLogprobs(fields, out);
  readOrderAndCache(fields, facts, out);
  checkMetadata(fields);
  Effort effort{nullptr, "reasoning.effort"};
  if (const Json* reasoning = fields.find("reasoning")) {
    if (!reasoning->is_object()) return fields.fail(invalidValue("reasoning", "'reasoning' must be an object"));
    if (reasoning->contains("effort")) effort.value = &(*reasoning)["effort"];
  }
  readTemplateVariables(fields, effort, out.messages);
  std::string instructions;
  fields.text("instructions", limits::kBodyBytes, instructions);
  readInput(fields, instructions, out.messages);
  if (!fields.fault()) out.repeatedFields = repeated(fields, instructions, out);
}

}  // namespace llmc::rt::server
