// Prompts of both endpoints: texts, ids, or messages whose contents are flattened to texts.
#include <algorithm>

#include "runtime/base/limits.h"
#include "runtime/server/api/request_fields.h"

namespace llmc::rt::server {
namespace {

constexpr const char* kChatRoles[] = {"system", "developer", "user", "assistant"};
constexpr const char* kChatParts[] = {"text", "input_text", "output_text", "refusal", "thinking"};
/// By which vLLM knows a part without a type. All are of what this server lacks.
constexpr const char* kMediaKeys[] = {"image_url",    "image_pil", "image_embeds", "audio_url",
                                      "audio_embeds", "video_url", "input_audio",  "prompt_embeds"};
constexpr MessageRules kChatRules{kChatRoles, kChatParts, true};

bool isOneOf(const std::string& text, std::span<const char* const> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// "system, user or assistant"
std::string spelled(std::span<const char* const> list) {
  std::string out;
  for (size_t i = 0; i < list.size(); ++i)
    out += (i == 0 ? "" : i + 1 == list.size() ? " or " : ", ") + std::string(list[i]);
  return out;
}

void readMessageList(FieldReader& fields, ChatFields& out) {
  const Json* messages = findMessages(fields, "messages");
  if (!messages) return;
  Json flat = Json::array();
  for (size_t i = 0; i < messages->size(); ++i) {
    Json message;
    if (ApiFault fault = readMessage((*messages)[i], "messages[" + std::to_string(i) + "]", kChatRules, message))
      return fields.fail(*fault);
    flat.push_back(std::move(message));
  }
  out.lastRole = flat.back()["role"].get<std::string>();
  out.lastContent = flat.back()["content"].get<std::string>();
  if (out.continueFinal && out.lastRole != "assistant")
    return fields.fail(
        invalidValue("continue_final_message", "'continue_final_message' needs a last message of the assistant"));
  out.messages = flat.dump();
}

/// One prompt, or nothing when it is no text and no list of ids.
ApiFault readPrompt(const Json& value, const std::string& param, uint32_t vocabulary, Prompt& out) {
  if (value.is_string()) {
    if (value.get_ref<const std::string&>().empty()) return invalidValue(param, "'" + param + "' is empty");
    out = value.get<std::string>();
    return std::nullopt;
  }
  std::vector<int32_t> ids;
  if (value.is_array() && !value.empty()) {
    ids.reserve(value.size());
    for (const Json& entry : value) {
      const auto id = asInteger(entry);
      if (!id || *id < 0 || *id >= vocabulary) break;
      ids.push_back(static_cast<int32_t>(*id));
    }
  }
  if (ids.empty() || ids.size() != value.size()) {
    const bool list = value.is_array() && !value.empty();
    const std::string found =
        list ? "its entry " + std::to_string(ids.size()) + " is " + shown(value[ids.size()]) : "got " + shown(value);
    return invalidValue(param, "'" + param + "' must be a text or a list of token ids below " +
                                   std::to_string(vocabulary) + ", and not empty, " + found);
  }
  out = std::move(ids);
  return std::nullopt;
}

}  // namespace

ApiError unsupportedContent(std::string param, const std::string& what) {
  return {400, "unsupported_content", what + " is not supported by this model; send text", std::move(param)};
}

namespace {

/// As vLLM reads them: a text alone is a part, too; one without a type must be a picture or sound.
ApiFault textOfPart(const Json& part, const std::string& param, const MessageRules& rules, std::string_view& out) {
  if (part.is_string() && rules.loose) {
    out = part.get_ref<const std::string&>();
    return std::nullopt;
  }
  const auto type = part.is_object() ? part.find("type") : part.end();
  if (rules.loose && part.is_object() && (type == part.end() || type->is_null()))
    for (const char* key : kMediaKeys)
      if (part.contains(key)) return unsupportedContent(param, "a part with '" + std::string(key) + "'");
  if (!part.is_object() || type == part.end() || !type->is_string())
    return invalidValue(param, "'" + param + "' must be " + (rules.loose ? "a text or " : "") +
                                   "an object with a type, as in {\"type\": \"" + rules.textParts.front() +
                                   "\", \"text\": \"...\"}");
  const std::string name = type->get<std::string>();
  if (!isOneOf(name, rules.textParts)) return unsupportedContent(param, "a part of type '" + escaped(name, 40) + "'");
  const std::string field = name == "refusal" || name == "thinking" ? name : "text";
  const auto text = part.find(field);
  if (text == part.end() || !text->is_string())
    return invalidValue(param + "." + field, "'" + param + "." + field + "' must be a text");
  out = text->get_ref<const std::string&>();
  return std::nullopt;
}

}  // namespace

ApiFault flattenContent(const Json& content, const std::string& param, const MessageRules& rules, std::string& out) {
  if (content.is_string()) {
    out = content.get<std::string>();
    return std::nullopt;
  }
  if (!content.is_array()) return invalidValue(param, "'" + param + "' must be a text or a list of parts");
  for (size_t i = 0; i < content.size(); ++i) {
    std::string_view text;
    if (ApiFault fault = textOfPart(content[i], param + "[" + std::to_string(i) + "]", rules, text)) return fault;
    if (i > 0) out += '\n';
    out += text;
  }
  return std::nullopt;
}

ApiFault readMessage(const Json& message, const std::string& place, const MessageRules& rules, Json& out) {
  if (!message.is_object()) return invalidValue(place, "'" + place + "' must be an object");
  FieldReader fields(message, place + ".");
  std::string role, name;
  fields.text("role", limits::kNameBytes, role);
  fields.word("name", limits::kNameBytes, name);
  if (fields.fault()) return fields.fault();
  for (const char* tool : {"tool_calls", "function_call", "tool_call_id"})
    if (const Json* value = fields.find(tool); value && !value->empty()) return unsupported(fields.fullName(tool));
  if (role == "tool" || role == "function") return unsupported(fields.fullName("role"), "tools are not supported");
  if (!isOneOf(role, rules.roles))
    return invalidValue(fields.fullName("role"), "'" + fields.fullName("role") + "' must be " + spelled(rules.roles) +
                                                     ", got '" + escaped(role, 40) + "'");
  const Json* content = fields.find("content");
  // openai's client sends back what it was answered: a refusal, and no content.
  if (!content && rules.loose && role == "assistant") {
    content = fields.find("refusal");
    if (content && !content->is_string())
      return invalidValue(fields.fullName("refusal"), "'" + fields.fullName("refusal") + "' must be a text");
  }
  if (!content) return invalidValue(fields.fullName("content"), "'" + fields.fullName("content") + "' is missing");
  std::string text;
  if (ApiFault fault = flattenContent(*content, fields.fullName("content"), rules, text)) return fault;
  out = Json::object({{"role", role}, {"content", text}});
  if (!name.empty()) out["name"] = name;
  return std::nullopt;
}

const Json* findMessages(FieldReader& fields, const char* name) {
  const Json* list = fields.find(name);
  if (fields.fault()) return nullptr;
  if (list && list->is_array() && !list->empty() && list->size() <= static_cast<size_t>(limits::kMessages)) return list;
  fields.fail(invalidValue(
      name, "'" + std::string(name) + "' must be a list of 1 to " + std::to_string(limits::kMessages) + " messages"));
  return nullptr;
}

void readChatFields(FieldReader& fields, ChatFields& out) {
  fields.boolean("continue_final_message", out.continueFinal);
  out.addGenerationPrompt = !out.continueFinal;
  fields.boolean("add_generation_prompt", out.addGenerationPrompt);
  if (out.continueFinal && out.addGenerationPrompt)
    fields.fail(invalidValue("continue_final_message",
                             "'continue_final_message' and 'add_generation_prompt' exclude each other"));
  fields.boolean("add_special_tokens", out.addSpecialTokens);
  readTemplateVariables(fields, {fields.find("reasoning_effort")}, out);
  readMessageList(fields, out);
}

void readPrompts(FieldReader& fields, const ModelFacts& facts, std::vector<Prompt>& out) {
  const Json* prompt = fields.find("prompt");
  if (fields.fault()) return;
  if (!prompt) return fields.fail(invalidValue("prompt", "'prompt' is missing"));
  const bool list =
      prompt->is_array() && !prompt->empty() && (prompt->front().is_string() || prompt->front().is_array());
  if (list && prompt->size() > static_cast<size_t>(limits::kPromptsPerCall))
    return fields.fail(
        invalidValue("prompt", "'prompt' holds more than " + std::to_string(limits::kPromptsPerCall) + " prompts"));
  // Each is a request of the queue, and all are taken or none: waiting would not help.
  if (list && prompt->size() > facts.mostAtOnce)
    return fields.fail(
        invalidValue("prompt", "'prompt' holds " + std::to_string(prompt->size()) +
                                   " prompts, and this server takes at most " + std::to_string(facts.mostAtOnce) +
                                   " at once (--max-num-seqs and --max-queue); send fewer in a request"));
  for (size_t i = 0; i < (list ? prompt->size() : 1); ++i) {
    Prompt one;
    const std::string param = list ? "prompt[" + std::to_string(i) + "]" : "prompt";
    if (list && (*prompt)[i].is_string() != prompt->front().is_string())
      return fields.fail(invalidValue(param, "'prompt' must hold texts or lists of token ids, not both, and '" + param +
                                                 "' is no " + (prompt->front().is_string() ? "text" : "list")));
    if (ApiFault fault = readPrompt(list ? (*prompt)[i] : *prompt, param, facts.vocabulary, one))
      return fields.fail(*fault);
    out.push_back(std::move(one));
  }
}

}  // namespace llmc::rt::server
