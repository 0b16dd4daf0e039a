// Token ids to text one at a time: gives out text as soon as it is certain, never half a character.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/status.h"
#include "runtime/text/tokenizer.h"

struct LlmcStream;

namespace llmc::rt {

/// The state of one generated sequence. One user at a time; different streams may run on different threads. Shares
/// ownership of the tokenizer's vocabulary, so the Tokenizer object itself may go first.
class TokenStream {
 public:
  explicit TokenStream(const Tokenizer& tokenizer, bool skipSpecialTokens = true);

  /// The text that `id` makes certain; empty while a character is incomplete, and for special tokens that are skipped.
  Result<std::string> push(int32_t id);

  /// What is held back at the end of the sequence; incomplete bytes come as U+FFFD.
  Result<std::string> flush();

 private:
  struct Free {
    void operator()(LlmcStream* stream) const;
  };

  std::shared_ptr<const LlmcTokenizer> tokenizer_;
  std::unique_ptr<LlmcStream, Free> stream_;
  bool skipSpecialTokens_;
};

}  // namespace llmc::rt
