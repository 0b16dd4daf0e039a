// Text of tokenizer.json, written piece by piece so that large vocabularies need no document tree.
#include "compiler/import/TokenizerJson.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace llmc {
namespace {

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

std::string boolean(bool value) { return value ? "true" : "false"; }

constexpr std::string_view kByteLevelAfterSplit =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})";
constexpr std::string_view kByteLevelGpt2 =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";

/// Splits by each pattern in turn, then maps bytes to characters.
std::string splitSequence(const std::vector<std::string>& patterns) {
  std::string text = R"({"type":"Sequence","pretokenizers":[)";
  for (const std::string& pattern : patterns)
    text += R"({"type":"Split","pattern":{"Regex":)" + quoted(pattern) + R"(},"behavior":"Isolated","invert":false},)";
  return text + std::string(kByteLevelAfterSplit) + "]}";
}

const char* const kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))";

std::string postProcessor(const TokenizerParts& parts) {
  if (!parts.first && !parts.last) return "null";
  auto sequence = [](const char* name, int type) {
    return std::string(R"({"Sequence":{"id":")") + name + R"(","type_id":)" + std::to_string(type) + "}}";
  };
  auto special = [](const AddedToken& token, int type) {
    return R"({"SpecialToken":{"id":)" + quoted(token.content) + R"(,"type_id":)" + std::to_string(type) + "}}";
  };
  auto part = [&](const char* name, int type) {
    std::string text;
    if (parts.first) text += special(*parts.first, type) + ",";
    text += sequence(name, type);
    if (parts.last) text += "," + special(*parts.last, type);
    return text;
  };
  std::string tokens;
  for (const auto& token : {parts.first, parts.last}) {
    if (!token || (!tokens.empty() && parts.first->id == parts.last->id)) continue;
    if (!tokens.empty()) tokens += ",";
    tokens += quoted(token->content) + R"(:{"id":)" + quoted(token->content) + R"(,"ids":[)" +
              std::to_string(token->id) + R"(],"tokens":[)" + quoted(token->content) + "]}";
  }
  return R"({"type":"TemplateProcessing","single":[)" + part("A", 0) + R"(],"pair":[)" + part("A", 0) + "," +
         part("B", 1) + R"(],"special_tokens":{)" + tokens + "}}";
}

std::string addedTokens(const std::vector<AddedToken>& added) {
  std::string text = "[";
  for (const AddedToken& token : added) {
    if (text.size() > 1) text += ",";
    text += R"({"id":)" + std::to_string(token.id) + R"(,"content":)" + quoted(token.content) +
            R"(,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":)" +
            boolean(token.special) + "}";
  }
  return text + "]";
}

std::string model(const TokenizerParts& parts) {
  std::string text = R"({"type":"BPE","dropout":null,"unk_token":)" +
                     (parts.unknownToken.empty() ? "null" : quoted(parts.unknownToken)) +
                     R"(,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":)" +
                     boolean(parts.fuseUnknown) + R"(,"byte_fallback":)" + boolean(parts.byteFallback) +
                     R"(,"ignore_merges":)" + boolean(parts.ignoreMerges) + R"(,"vocab":{)";
  bool first = true;
  for (const auto& [token, id] : parts.vocab) {
    text += (first ? "" : ",") + quoted(token) + ":" + std::to_string(id);
    first = false;
  }
  text += R"(},"merges":[)";
  first = true;
  for (const auto& [left, right] : parts.merges) {
    text += std::string(first ? "" : ",") + "[" + quoted(left) + "," + quoted(right) + "]";
    first = false;
  }
  return text + "]}";
}

}  // namespace

std::optional<PreTokenizerKind> preTokenizerKind(const std::string& name) {
  PreTokenizerKind kind{"null", "null", false, false};
  if (name == "smollm" || name == "starcoder" || name == "refact" || name == "command-r") {
    kind.preTokenizer = R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)" +
                        std::string(kByteLevelGpt2) + "]}";
  } else if (name == "gpt-2" || name == "phi-2" || name == "mpt" || name == "olmo") {
    kind.preTokenizer = kByteLevelGpt2;
  } else if (name == "llama-bpe" || name == "llama-v3" || name == "llama3") {
    kind.preTokenizer = splitSequence({kLlama3Pattern});
    kind.ignoreMerges = kind.addBos = true;
  } else if (name == "qwen2") {
    kind.normalizer = R"({"type":"NFC"})";
    kind.preTokenizer = splitSequence({kQwen2Pattern});
  } else if (name == "tekken") {
    kind.preTokenizer = splitSequence({kTekkenPattern});
    kind.ignoreMerges = kind.addBos = true;
  } else if (name == "default") {
    kind.preTokenizer = splitSequence({R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"});
  } else {
    return std::nullopt;
  }
  return kind;
}

std::string preTokenizerNames() { return "smollm, gpt-2, llama-bpe, qwen2, tekken, default"; }

std::string writeTokenizerJson(const TokenizerParts& parts) {
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)" + addedTokens(parts.added) +
         R"(,"normalizer":)" + parts.normalizer + R"(,"pre_tokenizer":)" + parts.preTokenizer +
         R"(,"post_processor":)" + postProcessor(parts) + R"(,"decoder":)" + parts.decoder + R"(,"model":)" +
         model(parts) + "}";
}

}  // namespace llmc
