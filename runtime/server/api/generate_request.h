// A request to generate, by any API, as typed values in their ranges; prompts are not yet tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/sample/sampling_params.h"
#include "runtime/server/api/json_body.h"
#include "runtime/server/backend.h"

namespace llmc::rt::server {

/// By which an answer is asked for and written.
enum class Api : uint8_t { kCompletions, kChat, kMessages, kResponses };

/// A text, or token ids that are taken as they are.
using Prompt = std::variant<std::string, std::vector<int32_t>>;

/// What a chat is rendered from; /tokenize shares it.
struct ChatFields {
  std::string messages;   ///< JSON array, contents flattened to texts
  std::string variables;  ///< JSON object of further template variables, or empty
  bool addGenerationPrompt = true;
  bool continueFinal = false;         ///< the last message is the start of the answer
  std::string lastRole, lastContent;  ///< of the last message
  bool addSpecialTokens = false;
};

/// vLLM's repetition_detection: an answer ends that says the same tokens over and over.
struct RepetitionRule {
  uint32_t longest = 0;   ///< tokens of a pattern; 0: off
  uint32_t shortest = 1;  ///< at least 1
  uint32_t count = 2;     ///< times that it stands at the end, at least 2
};

struct GenerateRequest {
  Api api = Api::kCompletions;
  std::string model;            ///< the server's first name, by whichever it was asked for
  std::string requestId;        ///< of the body, safe for logs and headers; empty: none
  std::vector<Prompt> prompts;  ///< /v1/completions
  ChatFields messages;          ///< of the other APIs
  bool addSpecialTokens = true;
  SamplingParams sampling;
  bool seedGiven = false;
  std::optional<uint32_t> maxTokens;
  std::vector<std::string> stops;
  std::vector<int32_t> stopTokenIds;
  std::vector<std::string> badWords;
  bool ignoreEos = false, includeStop = false, skipSpecialTokens = true;
  uint32_t choices = 1;      ///< made for each prompt
  uint32_t shown = 1;        ///< of these, the likeliest ones are answered (best_of); equal to `choices` otherwise
  bool beamSearch = false;   ///< `choices` beams, all of which are answered, the best first
  double lengthPenalty = 1;  ///< of their scores
  RepetitionRule repetition;
  bool echo = false;
  bool stream = false, includeUsage = false, continuousUsage = false;
  uint32_t streamInterval = 1;  ///< tokens of an event, but for the first and the last of a choice
  bool returnTokenIds = false, tokensAsIds = false, returnPromptText = false;
  int32_t promptLogprobs = -1;
  int64_t priority = 0;
  std::string cacheSalt;
  std::optional<int32_t> truncatePrompt;  ///< keep so many prompt tokens; -1: what the answer leaves
  bool truncateRight = false;             ///< drop the end instead of the beginning
  std::string repeatedFields;             ///< /v1/responses: JSON members that the answer says again

  /// The field that decides how much an answer needs.
  const char* lengthField() const { return api == Api::kResponses ? "max_output_tokens" : "max_tokens"; }
  bool chat() const { return api != Api::kCompletions; }
  /// Whose turn a chat's answer is: without a generation prompt the last message's author goes on, as in vLLM.
  std::string answerRole() const { return messages.addGenerationPrompt ? "assistant" : messages.lastRole; }
  /// What an echo of a chat puts before the answer: a last message of the same author.
  const std::string* echoedMessage() const {
    return echo && chat() && messages.lastRole == answerRole() ? &messages.lastContent : nullptr;
  }
  /// The field that holds the prompt.
  const char* promptField() const {
    return api == Api::kCompletions ? "prompt" : api == Api::kResponses ? "input" : "messages";
  }
};

/// Reads a body of one API. Errors name the field; fields that exist elsewhere but not here are refused unless they
/// hold what they mean when absent. Unknown fields are ignored, as vLLM does. vLLM's sampling fields work in all APIs.
ApiFault readGenerateRequest(const Json& body, Api api, const ModelFacts& facts, GenerateRequest& out);

/// Reads a body of /v1/messages/count_tokens: what a body of /v1/messages would be answered from.
ApiFault readCountRequest(const Json& body, const ModelFacts& facts, ChatFields& out);

/// `out`: the first name, by whichever of them `model` asks for the model; absent is one, too. Error 404
/// model_not_found; 400 when no name can be so long.
ApiFault readModel(FieldReader& fields, const ModelFacts& facts, std::string& out);

/// Checks and flattens `messages` and reads the fields beside them.
void readChatFields(FieldReader& fields, ChatFields& out);

/// `prompt` of /v1/completions: a text, a list of ids, or a list of either.
void readPrompts(FieldReader& fields, const ModelFacts& facts, std::vector<Prompt>& out);

}  // namespace llmc::rt::server
