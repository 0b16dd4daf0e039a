// Text to token ids and back, from a Hugging Face tokenizer.json; control tokens are made only where the caller allows
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

struct LlmcTokenizer;

namespace llmc::rt {

struct EncodeOptions {
  /// Add the tokens that the model's post-processor adds around a text (often BOS). Chat templates write them
  /// themselves.
  bool addSpecialTokens = false;
  /// Text that spells a special token ("<|im_end|>") becomes that token. False: it stays plain text.
  bool parseSpecialTokens = false;
};

/// A part of a rendered chat. Special tokens are made from template text only.
struct TextSegment {
  std::string text;
  /// True for user text that must not be part of a special token. User text that could not be may be in a segment with
  /// false.
  bool isUserContent = false;
};

/// A tokenizer.json as engines keep it: vocabulary and merges as a flat table, the rest as JSON.
struct CompactTokenizer {
  std::string json;
  std::string table;  ///< empty: the model is none of byte pairs, and `json` is the whole file
};

/// Immutable after create: all const functions may run on any number of threads at once. Copies share one vocabulary.
class Tokenizer {
 public:
  /// Reads a tokenizer.json; `json` is not needed afterwards. Errors: TK_* codes, kind kBadInput.
  static Result<Tokenizer> create(std::string_view json);
  /// Reads both parts of a compact one, in time that the vocabulary's size does not change. `table` stays as long as
  /// `owner`, which lives as long as any copy of this object. A table that compact() did not make is TK_TABLE or gives
  /// other tokens, nothing worse.
  static Result<Tokenizer> create(std::string_view json, std::string_view table, std::shared_ptr<const void> owner);
  /// The same bytes for the same `json`. Errors: as create().
  static Result<CompactTokenizer> compact(std::string_view json);

  /// Token ids of UTF-8 `text`. Errors: TK_UTF8, TK_TEXT_TOO_LARGE, TK_LIMIT, TK_ENCODE (kind kUsage).
  Result<std::vector<int32_t>> encode(std::string_view text, const EncodeOptions& options = {}) const;

  /// Token ids of the segments' joined text. Segments do not cut words: the ids equal Hugging Face's ids of the whole
  /// text, except that no special token is made of user content, nor across the edge of a segment.
  Result<std::vector<int32_t>> encodeSegments(std::span<const TextSegment> segments,
                                              bool addSpecialTokens = false) const;

  /// Text of the ids. Ids that no token has are left out; bytes that are not UTF-8 become U+FFFD.
  Result<std::string> decode(std::span<const int32_t> ids, bool skipSpecialTokens = true) const;

  /// Largest token id + 1; a model's logits row may be longer (padding), not shorter.
  int32_t vocabSize() const;
  /// Encoding `text` gives at least so many tokens: its bytes by those of the longest token. 0: the vocabulary has no
  /// such bound. Takes a nanosecond a byte, the first call milliseconds.
  uint64_t leastTokens(std::string_view text) const;
  bool isSpecial(int32_t id) const;
  std::optional<int32_t> tokenToId(std::string_view token) const;
  /// The token as the vocabulary stores it ("Ġhello"), or nothing.
  std::optional<std::string> idToToken(int32_t id) const;
  /// The bytes the token adds to a text (" hello"; maybe part of a character), or nothing.
  std::optional<std::string> tokenBytes(int32_t id) const;

  /// The handle for the other classes of runtime/text; lives as long as any copy of this object.
  const std::shared_ptr<const LlmcTokenizer>& handle() const { return handle_; }

 private:
  explicit Tokenizer(std::shared_ptr<const LlmcTokenizer> handle) : handle_(std::move(handle)) {}

  std::shared_ptr<const LlmcTokenizer> handle_;
};

}  // namespace llmc::rt
