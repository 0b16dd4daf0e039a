// Tokenizer over the Rust library.
#include "runtime/text/tokenizer.h"

#include <utility>

#include "runtime/text/boundary.h"

namespace llmc::rt {
namespace {

Result<std::vector<int32_t>> encodeRanges(const LlmcTokenizer* tokenizer, std::string_view text, bool addSpecial,
                                          std::span<const LlmcTextRange> allowed) {
  LlmcTextIds ids{};
  LlmcTextBytes error{};
  int32_t kind =
      llmc_tokenizer_encode(tokenizer, text::view(text), addSpecial, allowed.data(), allowed.size(), &ids, &error);
  if (kind != 0) return text::failure(kind, error);
  std::vector<int32_t> out(ids.data, ids.data + ids.size);
  llmc_text_ids_free(ids);
  return out;
}

}  // namespace

Result<Tokenizer> Tokenizer::create(std::string_view json) { return create(json, {}, nullptr); }

Result<Tokenizer> Tokenizer::create(std::string_view json, std::string_view table, std::shared_ptr<const void> owner) {
  LlmcTokenizer* raw = nullptr;
  LlmcTextBytes error{};
  if (int32_t kind = llmc_tokenizer_create(text::view(json), text::view(table), &raw, &error); kind != 0)
    return text::failure(kind, error);
  return Tokenizer(std::shared_ptr<const LlmcTokenizer>(
      raw, [owner = std::move(owner)](const LlmcTokenizer* t) { llmc_tokenizer_free(const_cast<LlmcTokenizer*>(t)); }));
}

Result<CompactTokenizer> Tokenizer::compact(std::string_view json) {
  LlmcTextBytes rest{}, table{}, error{};
  if (int32_t kind = llmc_tokenizer_compact(text::view(json), &rest, &table, &error); kind != 0)
    return text::failure(kind, error);
  CompactTokenizer made{text::take(rest), text::take(table)};
  if (made.table.empty()) made.json = json;
  return made;
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  LlmcTextRange all{0, text.size()};
  return encodeRanges(handle_.get(), text, options.addSpecialTokens,
                      std::span<const LlmcTextRange>(&all, options.parseSpecialTokens ? 1 : 0));
}

Result<std::vector<int32_t>> Tokenizer::encodeSegments(std::span<const TextSegment> segments,
                                                       bool addSpecialTokens) const {
  std::string text;
  std::vector<LlmcTextRange> allowed;
  for (const TextSegment& segment : segments) {
    if (segment.text.empty()) continue;
    size_t begin = text.size();
    text += segment.text;
    if (segment.isUserContent) continue;
    // Template parts with nothing between them are one text.
    if (!allowed.empty() && allowed.back().end == begin) {
      allowed.back().end = text.size();
    } else {
      allowed.push_back({begin, text.size()});
    }
  }
  return encodeRanges(handle_.get(), text, addSpecialTokens, allowed);
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, bool skipSpecialTokens) const {
  LlmcTextBytes out{};
  LlmcTextBytes error{};
  // A negative id becomes one that no token has.
  int32_t kind = llmc_tokenizer_decode(handle_.get(), reinterpret_cast<const uint32_t*>(ids.data()), ids.size(),
                                       skipSpecialTokens, &out, &error);
  if (kind != 0) return text::failure(kind, error);
  return text::take(out);
}

int32_t Tokenizer::vocabSize() const { return static_cast<int32_t>(llmc_tokenizer_size(handle_.get())); }

uint64_t Tokenizer::leastTokens(std::string_view text) const {
  return llmc_tokenizer_least_tokens(handle_.get(), text::view(text));
}

bool Tokenizer::isSpecial(int32_t id) const {
  return llmc_tokenizer_is_special(handle_.get(), static_cast<uint32_t>(id));
}

std::optional<int32_t> Tokenizer::tokenToId(std::string_view token) const {
  uint32_t id = 0;
  if (!llmc_tokenizer_token_to_id(handle_.get(), text::view(token), &id)) return std::nullopt;
  return static_cast<int32_t>(id);
}

std::optional<std::string> Tokenizer::idToToken(int32_t id) const {
  LlmcTextBytes out{};
  if (!llmc_tokenizer_token(handle_.get(), static_cast<uint32_t>(id), false, &out)) return std::nullopt;
  return text::take(out);
}

std::optional<std::string> Tokenizer::tokenBytes(int32_t id) const {
  LlmcTextBytes out{};
  if (!llmc_tokenizer_token(handle_.get(), static_cast<uint32_t>(id), true, &out)) return std::nullopt;
  return text::take(out);
}

}  // namespace llmc::rt
