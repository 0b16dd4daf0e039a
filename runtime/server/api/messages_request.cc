// Fields of /v1/messages, as Anthropic's API names them.
#include "runtime/base/limits.h"
#include "runtime/server/api/foreign_fields.h"
#include "runtime/server/api/request_fields.h"

namespace llmc::rt::server {
namespace {

constexpr const char* kRoles[] = {"user", "assistant"};
constexpr const char* kParts[] = {"text"};
constexpr MessageRules kRules{kRoles, kParts};
constexpr const char* kUnsupported[] = {"tools", "mcp_servers", "container", "context_management", "output_format"};

void refuseUnsupported(FieldReader& fields) {
  refuseFields(fields, kUnsupported);
  refuseForeign(fields, Api::kMessages);
  const auto typeOf = [&](const char* name) {
    const Json* value = fields.find(name);
    if (!value || !value->is_object()) return value ? std::string("?") : std::string();
    const auto type = value->find("type");
    return type != value->end() && type->is_string() ? type->get<std::string>() : std::string("?");
  };
  if (const std::string type = typeOf("thinking"); !type.empty() && type != "disabled")
    fields.fail(unsupported("thinking", "'thinking' may only be {\"type\": \"disabled\"} here"));
  // Without tools both mean the same.
  if (const std::string type = typeOf("tool_choice"); !type.empty() && type != "none" && type != "auto")
    fields.fail(unsupported("tool_choice", "'tool_choice' may only be of type \"none\" or \"auto\" here"));
  const Json* config = fields.find("output_config");
  if (config && !config->is_object()) fields.fail(invalidValue("output_config", "'output_config' must be an object"));
  if (config && config->contains("format")) refuseFormats(fields, &(*config)["format"], "output_config.format");
}

/// After refuseUnsupported(), which leaves of `thinking` only that it is off.
void readVariables(FieldReader& fields, ChatFields& out) {
  Effort effort{nullptr, "output_config.effort"};
  if (const Json* config = fields.find("output_config"); config && config->contains("effort"))
    effort.value = &(*config)["effort"];
  effort.off = fields.find("thinking") != nullptr;
  readTemplateVariables(fields, effort, out);
}

/// `system` and `messages`. Turns of one role are one turn; an answer at the end is gone on with.
void readConversation(FieldReader& fields, ChatFields& out) {
  Json flat = Json::array();
  if (const Json* system = fields.find("system")) {
    std::string text;
    if (ApiFault fault = flattenContent(*system, "system", kRules, text)) return fields.fail(*fault);
    if (!text.empty()) flat.push_back(Json::object({{"role", "system"}, {"content", text}}));
  }
  const Json* messages = findMessages(fields, "messages");
  if (!messages) return;
  for (size_t i = 0; i < messages->size(); ++i) {
    Json message;
    if (ApiFault fault = readMessage((*messages)[i], "messages[" + std::to_string(i) + "]", kRules, message))
      return fields.fail(*fault);
    if (!flat.empty() && flat.back()["role"] == message["role"])
      flat.back()["content"].get_ref<std::string&>() += "\n" + message["content"].get_ref<const std::string&>();
    else
      flat.push_back(std::move(message));
  }
  out.continueFinal = flat.back()["role"] == "assistant";
  out.addGenerationPrompt = !out.continueFinal;
  if (out.continueFinal) out.lastContent = flat.back()["content"].get<std::string>();
  out.messages = flat.dump();
}

}  // namespace

void readMessagesFields(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out) {
  refuseUnsupported(fields);
  readStream(fields, out);
  if (!fields.fault() && !fields.find("max_tokens")) fields.fail(invalidValue("max_tokens", "'max_tokens' is missing"));
  // Without an answer the prompt is only put into the cache.
  readMaxTokens(fields, "max_tokens", 0, out);
  if (const Json* stops = fields.find("stop_sequences"); stops && !stops->is_array())
    fields.fail(invalidValue("stop_sequences", "'stop_sequences' must be a list of texts"));
  readSampling(fields, facts, "stop_sequences", out);
  out.sampling.logprobs = -1;
  readOrderAndCache(fields, facts, out);
  readVariables(fields, out.messages);
  readConversation(fields, out.messages);
}

ApiFault readCountRequest(const Json& body, const ModelFacts& facts, ChatFields& out) {
  FieldReader fields(body);
  std::string model;
  if (ApiFault fault = readModel(fields, facts, model)) return fault;
  refuseUnsupported(fields);
  readVariables(fields, out);
  readConversation(fields, out);
  return fields.fault();
}

}  // namespace llmc::rt::server
