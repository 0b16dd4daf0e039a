// TokenStream over the Rust library.
#include "runtime/text/detokenizer.h"

#include "runtime/text/boundary.h"

namespace llmc::rt {

void TokenStream::Free::operator()(LlmcStream* stream) const { llmc_stream_free(stream); }

TokenStream::TokenStream(const Tokenizer& tokenizer, bool skipSpecialTokens)
    : tokenizer_(tokenizer.handle()), stream_(llmc_stream_create()), skipSpecialTokens_(skipSpecialTokens) {}

Result<std::string> TokenStream::push(int32_t id) {
  LlmcTextBytes out{};
  LlmcTextBytes error{};
  int32_t kind =
      llmc_stream_push(stream_.get(), tokenizer_.get(), static_cast<uint32_t>(id), skipSpecialTokens_, &out, &error);
  if (kind != 0) return text::failure(kind, error);
  return text::take(out);
}

Result<std::string> TokenStream::flush() {
  LlmcTextBytes out{};
  LlmcTextBytes error{};
  int32_t kind = llmc_stream_flush(stream_.get(), tokenizer_.get(), &out, &error);
  if (kind != 0) return text::failure(kind, error);
  return text::take(out);
}

}  // namespace llmc::rt
