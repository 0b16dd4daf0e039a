// Prompts to token ids: templates, truncation, and what the context leaves for the answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/server/api/api_error.h"
#include "runtime/server/api/generate_request.h"
#include "runtime/server/backend.h"
#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"

namespace llmc::rt::server {

/// The text side of a model. Immutable; copies share the vocabulary.
struct ModelText {
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chatTemplate;
};

/// Any thread. Templates and long texts take up to a second, so not on an I/O thread.
class PromptEncoder {
 public:
  /// Both must outlive this.
  PromptEncoder(const ModelFacts& facts, const ModelText& text) : facts_(facts), text_(text) {}

  /// `fitting`: the request that the text has to fit into. One that cannot, by its length, is refused without being
  /// encoded (context_length_exceeded): the bound is exact, no text that would fit is refused.
  ApiFault encodeText(const std::string& text, bool addSpecialTokens, std::vector<int32_t>& out,
                      const GenerateRequest* fitting = nullptr) const;
  /// Error 400 template_error when the model has no template or the template refuses the messages.
  ApiFault encodeChat(const ChatFields& chat, std::vector<int32_t>& out,
                      const GenerateRequest* fitting = nullptr) const;

  /// The generations of a request, one a prompt, without id, key and deadline; or why there is none at all. Errors:
  /// context_length_exceeded, and those of the text side.
  ApiFault prepare(const GenerateRequest& request, std::vector<GenerationRequest>& out) const;

 private:
  ApiFault checkBytes(const GenerateRequest& request, std::string_view text) const;
  ApiError tooLong(const GenerateRequest& request, uint64_t promptTokens, const char* atLeast) const;
  ApiFault fit(const GenerateRequest& request, GenerationRequest& out) const;
  ApiFault encodeBadWords(const std::vector<std::string>& words, std::vector<std::vector<int32_t>>& out) const;

  const ModelFacts& facts_;
  const ModelText& text_;
};

}  // namespace llmc::rt::server
