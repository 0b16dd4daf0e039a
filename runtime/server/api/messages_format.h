// Answers of /v1/messages, as Anthropic's API gives them.
#pragma once

#include <string>

#include "runtime/server/api/answer_format.h"

namespace llmc::rt::server {

/// One choice, which is one block of text. Tokens that make no text certain have no event.
class MessagesFormat : public AnswerFormat {
 public:
  explicit MessagesFormat(const AnswerHead& head);

  void appendBegin(std::string& out, uint32_t index, const PromptTexts& prompt, const Usage& usage) override;
  void appendPiece(std::string& out, const ChoiceText& piece, const Usage& usage) override;
  void appendEnd(std::string& out, const Usage& usage) override;
  void appendError(std::string& out, const ApiError& error) override;
  std::string whole(std::span<const ChoiceText> choices, const Usage& usage) override;

 private:
  std::string head_;  ///< of a message, up to its content
  std::string stop_ = R"("stop_reason":null,"stop_sequence":null)";
};

}  // namespace llmc::rt::server
