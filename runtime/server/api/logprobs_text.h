// Log probabilities as each API and prompt_logprobs write them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/server/backend.h"
#include "runtime/text/tokenizer.h"

namespace llmc::rt::server {

/// How tokens are written; `tokensAsIds`: "token_id:7" in place of the text, which two tokens may share.
struct TokenSpelling {
  const Tokenizer& tokenizer;
  bool tokensAsIds = false;

  /// UTF-8; bytes that are no character become U+FFFD.
  std::string text(int32_t id) const;
  /// The exact bytes.
  std::string bytes(int32_t id) const;
};

/// An entry of `logprobs.content` of a chat: {"token","logprob","bytes","top_logprobs"}.
void appendChatLogprob(std::string& out, const TokenSpelling& spelling, int32_t token, const TokenLogprobs& logprobs);

/// The four parallel arrays of /v1/completions, without brackets.
class CompletionLogprobs {
 public:
  /// `offset`: characters of the answer's text before this token; moved on by its length.
  void add(const TokenSpelling& spelling, int32_t token, float logprob, std::span<const std::pair<int32_t, float>> top,
           uint64_t& offset);
  /// The first token of a prompt, which nothing predicts.
  void addFirst(const TokenSpelling& spelling, int32_t token, uint64_t& offset);
  bool empty() const { return tokens_.empty(); }
  /// {"text_offset":[],"token_logprobs":[],"tokens":[],"top_logprobs":[]}
  void append(std::string& out) const;
  void clear();

 private:
  void addToken(const std::string& text, uint64_t& offset);
  std::string offsets_, logprobs_, tokens_, top_;
};

enum class LogprobStyle : uint8_t {
  kArrays,   ///< the arrays of CompletionLogprobs
  kContent,  ///< {"content":[entry,...]}
  kList      ///< [entry,...]
};

/// Of one choice, token by token, in the style of its API.
class ChoiceLogprobs {
 public:
  explicit ChoiceLogprobs(LogprobStyle style) : style_(style) {}
  void add(const TokenSpelling& spelling, int32_t token, const TokenLogprobs& logprobs);
  /// Of a prompt echoed as `text`; `logprobs` has one entry less than `ids`. A token that the text does not show (a
  /// BOS put before it) has no length. Requires: kArrays, ids not empty.
  void addPrompt(const TokenSpelling& spelling, std::span<const int32_t> ids,
                 std::span<const PositionLogprobs> logprobs, std::string_view text);
  /// JSON of what was added since the last call; empty when nothing was.
  std::string take();

 private:
  LogprobStyle style_;
  CompletionLogprobs arrays_;
  uint64_t offset_ = 0;  ///< characters of text before the next token
  std::string entries_;
};

/// [null,{"7":{"logprob":-1,"rank":1,"decoded_token":"a"}},...] for the tokens of a prompt.
void appendPromptLogprobs(std::string& out, const TokenSpelling& spelling, std::span<const int32_t> prompt,
                          std::span<const PositionLogprobs> logprobs);

/// `bytes` with what is not UTF-8 replaced by U+FFFD.
std::string replaceInvalid(std::string_view bytes);

}  // namespace llmc::rt::server
