// Answers of /v1/chat/completions and /v1/completions.
#pragma once

#include <string>

#include "runtime/server/api/answer_format.h"

namespace llmc::rt::server {

/// {"prompt_tokens":...,"total_tokens":...,"completion_tokens":...,"prompt_tokens_details":{"cached_tokens":...}}
void appendUsage(std::string& out, const Usage& usage);

/// Where a stream says how many tokens there were.
struct UsageEvents {
  bool last = false;  ///< in an event of its own at the end
  bool each = false;  ///< in every event
};

/// Everything that is the same in all events is made once.
class OpenAiFormat : public AnswerFormat {
 public:
  OpenAiFormat(bool chat, const AnswerHead& head, UsageEvents usageEvents);

  void appendBegin(std::string& out, uint32_t index, const PromptTexts& prompt, const Usage& usage) override;
  void appendPiece(std::string& out, const ChoiceText& piece, const Usage& usage) override;
  void appendEnd(std::string& out, const Usage& usage) override;
  void appendError(std::string& out, const ApiError& error) override;
  std::string whole(std::span<const ChoiceText> choices, const Usage& usage) override;

 private:
  void appendChoice(std::string& out, const ChoiceText& choice) const;
  void closeEvent(std::string& out, const Usage& usage, bool shown) const;

  const bool chat_;
  const UsageEvents usageEvents_;
  const std::string role_;
  std::string event_;  ///< up to the list of choices of an event
  std::string whole_;  ///< the same of a whole answer
};

}  // namespace llmc::rt::server
