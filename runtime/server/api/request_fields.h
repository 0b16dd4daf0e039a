// The fields that all APIs share, each with one range; an API adds its own names around them.
#pragma once

#include <initializer_list>
#include <span>
#include <string>

#include "runtime/server/api/generate_request.h"
#include "runtime/server/api/json_body.h"

namespace llmc::rt::server {

/// A value that means the same as leaving the field out: null, false, "", [], {}.
bool isNeutral(const Json& value);
/// Refuses fields that this server lacks, unless they are neutral.
void refuseFields(FieldReader& fields, std::span<const char* const> names);
/// The same of `tools`; `tool_choice` may be none.
void refuseTools(FieldReader& fields);
/// Refuses a field that holds something else than one of `allowed`; `what` names them.
void refuseOthers(FieldReader& fields, const char* name, std::initializer_list<Json> allowed, const char* what);
/// `format` of `param` may only have the type "text".
void refuseFormats(FieldReader& fields, const Json* format, const std::string& param);

/// `stream` and how many tokens an event has.
void readStream(FieldReader& fields, GenerateRequest& out);
/// `stops`: the API's name for its stop strings.
void readSampling(FieldReader& fields, const ModelFacts& facts, const char* stops, GenerateRequest& out);
/// `name`: the API's name for the most tokens of an answer, at least `least`. Reads min_tokens, too.
void readMaxTokens(FieldReader& fields, const char* name, int64_t least, GenerateRequest& out);
/// Priority, cache salt, truncation; names that are only checked.
void readOrderAndCache(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out);

/// How much a model shall think, by the API's name for it.
struct Effort {
  const Json* value = nullptr;  ///< null: not said
  const char* name = "reasoning_effort";
  bool off = false;  ///< told not to think at all
};
/// Template variables: chat_template_kwargs, documents, and the effort.
void readTemplateVariables(FieldReader& fields, const Effort& effort, ChatFields& out);

/// What messages of an API may be.
struct MessageRules {
  std::span<const char* const> roles;
  std::span<const char* const> textParts;  ///< types of content parts that hold text
  bool loose = false;  ///< texts as parts, pictures without a type, an assistant's refusal in place of a content
};
/// The text of a content: a text, or a list of text parts, which are lines as in vLLM.
ApiFault flattenContent(const Json& content, const std::string& param, const MessageRules& rules, std::string& out);
/// One message as {"role","content"} with a text content, and its "name" if it has one.
ApiFault readMessage(const Json& message, const std::string& place, const MessageRules& rules, Json& out);
/// 400 about content that is no text.
ApiError unsupportedContent(std::string param, const std::string& what);
/// The list of 1 to limits::kMessages entries named `name`, or null after an error.
const Json* findMessages(FieldReader& fields, const char* name);

// One for each API; readGenerateRequest() chooses.
void readOpenAiFields(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out);
void readMessagesFields(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out);
void readResponsesFields(FieldReader& fields, const ModelFacts& facts, GenerateRequest& out);

}  // namespace llmc::rt::server
