// A model's chat template: messages to the text the model was trained on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/text/tokenizer.h"

struct LlmcTemplate;

namespace llmc::rt {

struct ChatRequest {
  /// JSON array of messages, as the OpenAI API has them.
  std::string_view messages;
  /// JSON object of further template variables (tools, documents, enable_thinking, ...); empty: none.
  std::string_view extra = {};
  /// End with the start of the assistant's answer.
  bool addGenerationPrompt = true;
  /// The moment of strftime_now, in seconds since 1970; unset: now.
  std::optional<int64_t> unixTime = std::nullopt;
};

/// Immutable after create: all const functions may run on any number of threads at once. Copies share one template.
/// Create and render fork a child that does the work (crate/src/cell.rs says why); one with little memory is forked
/// faster.
class ChatTemplate {
 public:
  /// Compiles Jinja `source`. `bos` and `eos` are the texts of those tokens, empty if the model has none.
  /// Errors: TM_TOO_LARGE, TM_DEPTH, TM_SYNTAX, TM_UNSUPPORTED, TM_MEMORY, TM_TIME, TK_UTF8, TX_PROCESS (no child).
  static Result<ChatTemplate> create(std::string_view source, std::string_view bos, std::string_view eos);

  /// The chat as text. Errors of kind kBadInput (exit status 65): TM_RAISED (the template refuses these messages: its
  /// own words), TM_ERROR, TM_UNSUPPORTED, TM_FUEL, TM_DEPTH, TM_OUTPUT, TM_MEMORY, TM_TIME. Of kind kUsage, for a
  /// `request` that is no list of messages: TM_JSON, TM_TOO_LARGE, TM_DEPTH. TX_PROCESS: kUnavailable.
  Result<std::string> render(const ChatRequest& request) const;

  /// The chat as segments for Tokenizer::encodeSegments: text of the messages (and of `extra`) that spells a special
  /// token of `tokenizer`, or could be part of one, is user content and stays plain text.
  Result<std::vector<TextSegment>> renderSegments(const ChatRequest& request, const Tokenizer& tokenizer) const;

 private:
  explicit ChatTemplate(std::shared_ptr<const LlmcTemplate> handle) : handle_(std::move(handle)) {}

  std::shared_ptr<const LlmcTemplate> handle_;
};

/// The JSON array of one user message, for --message and --prompt.
std::string userMessageJson(std::string_view text);

}  // namespace llmc::rt
