// How an answer is written: what each API implements, so that an answer's life is written once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "runtime/server/api/api_error.h"
#include "runtime/server/api/generate_request.h"
#include "runtime/server/backend.h"

namespace llmc::rt::server {

struct Usage {
  uint64_t promptTokens = 0, completionTokens = 0, cachedTokens = 0;
};

/// What all events of an answer say. `id` has no prefix; `created`: Unix time in seconds; `role` is a chat's.
struct AnswerHead {
  std::string_view id, model;
  int64_t created = 0;
  std::string_view role = "assistant";
};

/// JSON values of a prompt, each empty when it was not asked for.
struct PromptTexts {
  std::string_view tokenIds;  ///< array
  std::string_view text;      ///< text in quotes
};

/// A part of a choice, or the whole of it.
struct ChoiceText {
  uint32_t index = 0;
  std::string_view text;
  std::string_view logprobs;  ///< JSON value in the API's style, or empty for none
  std::string_view tokenIds;  ///< JSON array, or empty: not asked for
  PromptTexts prompt;
  std::string_view promptLogprobs;  ///< JSON array, or empty
  FinishReason finish = FinishReason::kNone;
  std::string_view stopReason = "null";  ///< JSON value: the stop string in quotes, the stop token, or null
};

/// Writes one answer, as server-sent events or whole. Belongs to the answer's thread.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;

  // A stream: each choice begins once and then has pieces; the end comes after the last piece of all, the error in its
  // place.
  virtual void appendBegin(std::string& out, uint32_t index, const PromptTexts& prompt, const Usage& usage) = 0;
  virtual void appendPiece(std::string& out, const ChoiceText& piece, const Usage& usage) = 0;
  virtual void appendEnd(std::string& out, const Usage& usage) = 0;
  virtual void appendError(std::string& out, const ApiError& error) = 0;

  /// The body of an answer that is not streamed.
  virtual std::string whole(std::span<const ChoiceText> choices, const Usage& usage) = 0;
};

/// The writer of the API that the request came by.
std::unique_ptr<AnswerFormat> makeAnswerFormat(const GenerateRequest& request, std::string_view id, int64_t created);

}  // namespace llmc::rt::server
