// Prompts of both endpoints: texts, ids, or messages whose contents are flattened to texts.
#include <algorithm>

#include "runtime/base/limits.h"
#include "runtime/server/api/generate_request.h"

namespace llmc::rt::server {
namespace {

constexpr const char* kRoles[] = {"system", "developer", "user", "assistant"};

std::string place(size_t index, const char* field = "") { return "messages[" + std::to_string(index) + "]" + field; }

ApiError unsupportedContent(std::string param, const std::string& what) {
  return {400, "unsupported_content", what + " is not supported by this model; send text", std::move(param)};
}

/// The text of a content: a text, or a list of text parts, which are lines as in vLLM.
ApiFault flatten(const Json& content, const std::string& param, std::string& out) {
  if (content.is_string()) {
    out = content.get<std::string>();
    return std::nullopt;
  }
  if (!content.is_array()) return invalidValue(param, "'" + param + "' must be a text or a list of parts");
  for (const Json& part : content) {
    const auto type = part.is_object() ? part.find("type") : part.end();
    if (!part.is_object() || type == part.end() || !type->is_string())
      return invalidValue(param, "each part of '" + param + "' must be an object with a type");
    if (*type != "text")
      return unsupportedContent(param, "a part of type '" + escaped(type->get<std::string>(), 40) + "'");
    const auto text = part.find("text");
    if (text == part.end() || !text->is_string())
      return invalidValue(param, "a text part of '" + param + "' has no text");
    if (&part != &content.front()) out += '\n';
    out += text->get_ref<const std::string&>();
  }
  return std::nullopt;
}

ApiFault readMessage(const Json& message, size_t index, Json& out) {
  if (!message.is_object()) return invalidValue(place(index), "'" + place(index) + "' must be an object");
  FieldReader fields(message, place(index, "."));
  std::string role, name;
  fields.text("role", limits::kNameBytes, role);
  fields.text("name", limits::kNameBytes, name);
  if (fields.fault()) return fields.fault();
  for (const char* tool : {"tool_calls", "function_call", "tool_call_id"})
    if (const Json* value = fields.find(tool); value && !value->empty()) return unsupported(fields.fullName(tool));
  if (role == "tool" || role == "function") return unsupported(fields.fullName("role"), "tools are not supported");
  if (std::find(std::begin(kRoles), std::end(kRoles), role) == std::end(kRoles))
    return invalidValue(fields.fullName("role"), "'" + fields.fullName("role") +
                                                     "' must be system, developer, user or assistant, got '" +
                                                     escaped(role, 40) + "'");
  const Json* content = fields.find("content");
  if (!content) return invalidValue(fields.fullName("content"), "'" + fields.fullName("content") + "' is missing");
  std::string text;
  if (ApiFault fault = flatten(*content, fields.fullName("content"), text)) return fault;
  out = Json::object({{"role", role}, {"content", text}});
  if (!name.empty()) out["name"] = name;
  return std::nullopt;
}

void readMessages(FieldReader& fields, ChatFields& out) {
  const Json* messages = fields.find("messages");
  if (fields.fault()) return;
  if (!messages || !messages->is_array() || messages->empty() ||
      messages->size() > static_cast<size_t>(limits::kMessages))
    return fields.fail(invalidValue(
        "messages", "'messages' must be a list of 1 to " + std::to_string(limits::kMessages) + " messages"));
  Json flat = Json::array();
  for (size_t i = 0; i < messages->size(); ++i) {
    Json message;
    if (ApiFault fault = readMessage((*messages)[i], i, message)) return fields.fail(*fault);
    flat.push_back(std::move(message));
  }
  if (out.continueFinal) {
    if (flat.back()["role"] != "assistant")
      return fields.fail(
          invalidValue("continue_final_message", "'continue_final_message' needs a last message of the assistant"));
    out.finalContent = flat.back()["content"].get<std::string>();
  }
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
  if (ids.empty() || ids.size() != value.size())
    return invalidValue(param, "'" + param + "' must be a text or a list of token ids below " +
                                   std::to_string(vocabulary) + ", and not empty");
  out = std::move(ids);
  return std::nullopt;
}

}  // namespace

void readChatFields(FieldReader& fields, ChatFields& out) {
  fields.boolean("continue_final_message", out.continueFinal);
  out.addGenerationPrompt = !out.continueFinal;
  fields.boolean("add_generation_prompt", out.addGenerationPrompt);
  if (out.continueFinal && out.addGenerationPrompt)
    fields.fail(invalidValue("continue_final_message",
                             "'continue_final_message' and 'add_generation_prompt' exclude each other"));
  fields.boolean("add_special_tokens", out.addSpecialTokens);
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
  std::string effort;
  fields.text("reasoning_effort", 16, effort);
  if (!effort.empty()) variables["reasoning_effort"] = effort;
  if (!variables.empty()) out.variables = variables.dump();
  readMessages(fields, out);
}

void readPrompts(FieldReader& fields, uint32_t vocabulary, std::vector<Prompt>& out) {
  const Json* prompt = fields.find("prompt");
  if (fields.fault()) return;
  if (!prompt) return fields.fail(invalidValue("prompt", "'prompt' is missing"));
  const bool list =
      prompt->is_array() && !prompt->empty() && (prompt->front().is_string() || prompt->front().is_array());
  if (list && prompt->size() > static_cast<size_t>(limits::kPromptsPerCall))
    return fields.fail(
        invalidValue("prompt", "'prompt' holds more than " + std::to_string(limits::kPromptsPerCall) + " prompts"));
  for (size_t i = 0; i < (list ? prompt->size() : 1); ++i) {
    Prompt one;
    const std::string param = list ? "prompt[" + std::to_string(i) + "]" : "prompt";
    if (ApiFault fault = readPrompt(list ? (*prompt)[i] : *prompt, param, vocabulary, one)) return fields.fail(*fault);
    out.push_back(std::move(one));
  }
}

}  // namespace llmc::rt::server
