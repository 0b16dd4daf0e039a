// The JSON of answers: whole ones, and the events of a stream.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/server/api/api_error.h"
#include "runtime/server/backend.h"

namespace llmc::rt::server {

struct Usage {
  uint64_t promptTokens = 0, completionTokens = 0, cachedTokens = 0;
};
/// {"prompt_tokens":...,"total_tokens":...,"completion_tokens":...,"prompt_tokens_details":{"cached_tokens":...}}
void appendUsage(std::string& out, const Usage& usage);

/// A part of a choice, or the whole of it.
struct ChoiceText {
  uint32_t index = 0;
  std::string_view text;
  std::string_view logprobs;        ///< JSON value, or empty for null
  std::string_view tokenIds;        ///< JSON array, or empty: not asked for
  std::string_view promptTokenIds;  ///< JSON array, or empty
  std::string_view promptLogprobs;  ///< JSON array, or empty
  FinishReason finish = FinishReason::kNone;
  std::string_view stopReason = "null";  ///< JSON value
};

/// Writes one answer. Everything that is the same in all of its events is made once.
class AnswerText {
 public:
  /// `id` without its prefix ("chatcmpl-", "cmpl-"); `created`: Unix time in seconds.
  AnswerText(bool chat, std::string_view id, std::string_view model, int64_t created);

  // Server-sent events, each with its "data: " and empty line.
  void appendRole(std::string& out, uint32_t index, std::string_view promptTokenIds, const Usage* usage) const;
  void appendPiece(std::string& out, const ChoiceText& piece, const Usage* usage) const;
  void appendUsageEvent(std::string& out, const Usage& usage) const;
  static void appendDone(std::string& out) { out += "data: [DONE]\n\n"; }
  static void appendError(std::string& out, const ApiError& error);

  /// The body of an answer that is not streamed.
  std::string whole(std::span<const ChoiceText> choices, const Usage& usage) const;

 private:
  void appendChoice(std::string& out, const ChoiceText& choice) const;

  bool chat_;
  std::string event_;  ///< up to the list of choices of an event
  std::string whole_;  ///< the same of a whole answer
};

}  // namespace llmc::rt::server
