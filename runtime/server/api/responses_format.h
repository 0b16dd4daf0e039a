// Answers of /v1/responses: OpenAI's newer API, without storage.
#pragma once

#include <string>

#include "runtime/server/api/answer_format.h"

namespace llmc::rt::server {

/// One choice, which is one message with one text part. Its events say the whole text again at the end, so it is kept.
class ResponsesFormat : public AnswerFormat {
 public:
  /// `repeatedFields`: members of the request that the answer repeats, as JSON without braces.
  ResponsesFormat(const AnswerHead& head, std::string_view repeatedFields);

  void appendBegin(std::string& out, uint32_t index, const PromptTexts& prompt, const Usage& usage) override;
  void appendPiece(std::string& out, const ChoiceText& piece, const Usage& usage) override;
  void appendEnd(std::string& out, const Usage& usage) override;
  void appendError(std::string& out, const ApiError& error) override;
  std::string whole(std::span<const ChoiceText> choices, const Usage& usage) override;

 private:
  void open(std::string& out, std::string_view type);
  std::string part(std::string_view text) const;
  std::string item(std::string_view status, std::string_view content) const;
  std::string response(std::string_view status, std::string_view output, const Usage* usage) const;
  std::string_view endStatus() const;

  std::string id_;    ///< escaped, without prefix
  std::string head_;  ///< of a response, up to its status
  std::string rest_;  ///< members that never change, after the status
  std::string text_;
  std::string logprobs_;  ///< entries of a list
  FinishReason finish_ = FinishReason::kNone;
  uint64_t sequence_ = 0;
};

}  // namespace llmc::rt::server
