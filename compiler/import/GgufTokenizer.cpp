// Tokenizer of a GGUF: vocabulary, merges, special tokens, chat template, turned into a tokenizer.json.
#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_set>

#include "compiler/import/GgufModel.h"
#include "compiler/import/ImportError.h"
#include "compiler/import/SpmMerges.h"
#include "compiler/import/TokenizerJson.h"
#include "compiler/import/Utf8.h"
#include "runtime/base/limits.h"

namespace llmc {
namespace {

using rt::Status;
namespace limits = rt::limits;

/// tokenizer.ggml.token_type
enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

/// Control tokens that end a turn or a text by the texts that models use for it.
constexpr std::array<std::string_view, 10> kEndTexts = {
    "<|eot_id|>", "<|im_end|>",    "<|end|>", "<|endoftext|>", "<|end_of_text|>",
    "<|eom_id|>", "<end_of_turn>", "</s>",    "<EOT>",         "<eos>"};

struct Vocabulary {
  const std::vector<std::string>* tokens = nullptr;
  std::vector<int32_t> types;
  std::vector<float> scores;  // empty when the file has none
};

Place placeOf(const GgufFile& gguf, const GgufValue& value, std::string_view object) {
  return {gguf.file->name(), static_cast<int64_t>(value.offset), object};
}

/// Of a key that may be missing: then the start of the metadata.
Place placeOf(const GgufFile& gguf, std::string_view key) {
  const GgufValue* value = gguf.find(key);
  return {gguf.file->name(), value ? static_cast<int64_t>(value->offset) : kGgufMetadataStart, key};
}

/// The array under `key` if present, checked for element type and (wanted > 0) length.
rt::Result<const GgufValue*> arrayOf(const GgufFile& gguf, std::string_view key, GgufType element,
                                     uint64_t wanted = 0) {
  const GgufValue* value = gguf.find(key);
  if (!value) return value;
  if (!value->isArrayOf(element))
    return importError("GG_ARRAY_TYPE", placeOf(gguf, *value, key), "array has another element type than it must have");
  if (wanted && value->count != wanted)
    return importError("GG_ARRAY", placeOf(gguf, *value, key),
                       std::to_string(value->count) + " elements for " + std::to_string(wanted) + " tokens");
  return value;
}

Status checkToken(const GgufFile& gguf, const GgufValue& array, const std::string& token, int32_t type) {
  if (!validUtf8(token)) return importError("TK_UTF8", placeOf(gguf, array, token), "a token is not UTF-8");
  if (token.size() > limits::kTokenBytes)
    return importError("TK_ID", placeOf(gguf, array, token), "a token is longer than 4096 bytes");
  if (type < kNormal || type > kByte)
    return importError("TK_ID", placeOf(gguf, array, token), "unknown token type " + std::to_string(type));
  if (type != kByte) return Status::ok();
  auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  bool valid = token.size() == 6 && token.starts_with("<0x") && hex(token[3]) && hex(token[4]) && token[5] == '>';
  return valid ? Status::ok()
               : importError("TK_BYTE", placeOf(gguf, array, token), "a byte token must read <0x00> to <0xFF>");
}

rt::Result<Vocabulary> readVocabulary(const GgufFile& gguf) {
  auto tokens = arrayOf(gguf, "tokenizer.ggml.tokens", GgufType::String);
  if (!tokens) return tokens.takeStatus();
  if (!*tokens || (*tokens)->count == 0)
    return importError("TK_ID", placeOf(gguf, "tokenizer.ggml.tokens"), "the file has no vocabulary");
  uint64_t count = (*tokens)->count;
  auto types = arrayOf(gguf, "tokenizer.ggml.token_type", GgufType::I32, count);
  if (!types) return types.takeStatus();
  auto scores = arrayOf(gguf, "tokenizer.ggml.scores", GgufType::F32, count);
  if (!scores) return scores.takeStatus();
  Vocabulary vocabulary;
  vocabulary.tokens = &(*tokens)->strings;
  vocabulary.types.assign(count, kNormal);
  std::unordered_set<std::string_view> seen;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string& token = (*vocabulary.tokens)[i];
    if (*types) vocabulary.types[i] = (*types)->int32At(i);
    LLMC_TRY(checkToken(gguf, **tokens, token, vocabulary.types[i]));
    if (!seen.insert(token).second)
      return importError("TK_ID", placeOf(gguf, **tokens, token), "a token appears twice");
    if (!*scores) continue;
    vocabulary.scores.push_back((*scores)->floatAt(i));
    if (std::isnan(vocabulary.scores.back()))
      return importError("TK_ID", placeOf(gguf, **scores, token), "a token's score is NaN");
  }
  return vocabulary;
}

/// Token id under "tokenizer.ggml.<key>", or `fallback` when the key is absent.
rt::Result<int64_t> tokenId(const GgufFile& gguf, std::string_view key, size_t vocab, int64_t fallback) {
  std::string full = "tokenizer.ggml." + std::string(key);
  const GgufValue* value = gguf.find(full);
  if (!value) return fallback;
  auto id = value->integer();
  if (!id) return importError("CF_TYPE", placeOf(gguf, *value, full), "must be an integer");
  if (*id == 0xffffffff || *id == -1) return fallback;  // how converters write "none"
  if (*id < 0 || *id >= static_cast<int64_t>(vocab))
    return importError("CF_INCONSISTENT", placeOf(gguf, *value, full),
                       "token " + std::to_string(*id) + " is not in the vocabulary of " + std::to_string(vocab));
  return *id;
}

rt::Result<bool> flag(const GgufFile& gguf, std::string_view key, bool fallback) {
  std::string full = "tokenizer.ggml." + std::string(key);
  const GgufValue* value = gguf.find(full);
  if (!value) return fallback;
  if (value->type != GgufType::Bool) return importError("CF_TYPE", placeOf(gguf, *value, full), "must be a bool");
  return value->bits == 1;
}

Status readByteLevel(const GgufFile& gguf, const Vocabulary& vocabulary, TokenizerParts& parts, bool& addBos) {
  const GgufValue* pre = gguf.find("tokenizer.ggml.pre");
  std::string name = pre && pre->type == GgufType::String ? pre->text : "default";
  auto kind = preTokenizerKind(name);
  if (!kind)
    return importError("TK_UNSUPPORTED", placeOf(gguf, "tokenizer.ggml.pre"),
                       "pre-tokenizer '" + rt::escaped(name) + "' is not supported",
                       "supported are " + preTokenizerNames());
  parts.normalizer = kind->normalizer;
  parts.preTokenizer = kind->preTokenizer;
  parts.ignoreMerges = kind->ignoreMerges;
  parts.decoder = R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";
  addBos = kind->addBos;
  std::unordered_set<std::string_view> known;
  for (size_t i = 0; i < vocabulary.tokens->size(); ++i) {
    // Fillers that round the vocabulary up to the embedding's size are no text.
    if (vocabulary.types[i] == kUnused) continue;
    parts.vocab.emplace_back((*vocabulary.tokens)[i], static_cast<int64_t>(i));
    known.insert((*vocabulary.tokens)[i]);
  }
  auto merges = arrayOf(gguf, "tokenizer.ggml.merges", GgufType::String);
  if (!merges) return merges.takeStatus();
  if (!*merges || (*merges)->count > limits::kMerges)
    return importError("TK_MERGE", placeOf(gguf, "tokenizer.ggml.merges"),
                       *merges ? "too many merges" : "the file has no merges");
  for (const std::string& merge : (*merges)->strings) {
    size_t space = merge.find(' ', 1);
    std::string left = merge.substr(0, space), right = space == std::string::npos ? "" : merge.substr(space + 1);
    if (right.empty() || !known.contains(left) || !known.contains(right) || !known.contains(left + right))
      return importError("TK_MERGE", placeOf(gguf, **merges, merge),
                         "a merge names a token that is not in the vocabulary");
    parts.merges.emplace_back(std::move(left), std::move(right));
  }
  return Status::ok();
}

Status readSentencePiece(const GgufFile& gguf, const Vocabulary& vocabulary, TokenizerParts& parts) {
  if (vocabulary.scores.empty())
    return importError("TK_ID", placeOf(gguf, "tokenizer.ggml.scores"), "a vocabulary of this kind needs scores");
  auto prefix = flag(gguf, "add_space_prefix", true);
  if (!prefix) return prefix.takeStatus();
  std::string replace = R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})";
  parts.normalizer =
      *prefix ? R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},)" + replace + "]}" : replace;
  parts.decoder =
      R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"})";
  if (*prefix) parts.decoder += R"(,{"type":"Strip","content":" ","start":1,"stop":0})";
  parts.decoder += "]}";
  auto unknown = tokenId(gguf, "unknown_token_id", vocabulary.tokens->size(), 0);
  if (!unknown) return unknown.takeStatus();
  parts.unknownToken = (*vocabulary.tokens)[static_cast<size_t>(*unknown)];
  parts.byteFallback = parts.fuseUnknown = true;
  std::vector<SpmPiece> pieces;
  for (size_t i = 0; i < vocabulary.tokens->size(); ++i) {
    parts.vocab.emplace_back((*vocabulary.tokens)[i], static_cast<int64_t>(i));
    bool mergeable = vocabulary.types[i] == kNormal || vocabulary.types[i] == kUserDefined;
    pieces.push_back({(*vocabulary.tokens)[i], vocabulary.scores[i], mergeable});
  }
  parts.merges = spmMerges(pieces);
  return Status::ok();
}

/// Special token ids into config, bos and eos around texts into parts.
Status readSpecials(const GgufFile& gguf, const Vocabulary& vocabulary, bool addBosByDefault, ModelConfig& config,
                    TokenizerParts& parts) {
  size_t vocab = vocabulary.tokens->size();
  auto text = [&](int64_t id) { return (*vocabulary.tokens)[static_cast<size_t>(id)]; };
  bool sentencePiece = parts.byteFallback;
  auto bos = tokenId(gguf, "bos_token_id", vocab, sentencePiece && vocab > 2 ? 1 : -1);
  if (!bos) return bos.takeStatus();
  config.bosId = *bos;
  auto addEnd = [&](int64_t id) {
    if (id >= 0 && std::find(config.eosIds.begin(), config.eosIds.end(), id) == config.eosIds.end())
      config.eosIds.push_back(id);
  };
  for (std::string_view key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    auto id = tokenId(gguf, key, vocab, sentencePiece && vocab > 2 && key == "eos_token_id" ? 2 : -1);
    if (!id) return id.takeStatus();
    addEnd(*id);
  }
  for (size_t i = 0; i < vocab; ++i) {
    int32_t type = vocabulary.types[i];
    const std::string& token = (*vocabulary.tokens)[i];
    if (type == kControl && std::find(kEndTexts.begin(), kEndTexts.end(), token) != kEndTexts.end())
      addEnd(static_cast<int64_t>(i));
    if (type != kControl && type != kUserDefined && type != kUnknown) continue;
    if (token.empty())
      return importError("TK_ADDED", placeOf(gguf, "tokenizer.ggml.tokens"), "a control token is empty");
    parts.added.push_back({static_cast<int64_t>(i), token, type != kUserDefined});
  }
  if (parts.added.size() > limits::kAddedTokens)
    return importError("TK_ADDED", placeOf(gguf, "tokenizer.ggml.token_type"), "too many control tokens");
  auto addBos = flag(gguf, "add_bos_token", addBosByDefault);
  if (!addBos) return addBos.takeStatus();
  auto addEos = flag(gguf, "add_eos_token", false);
  if (!addEos) return addEos.takeStatus();
  config.addBos = *addBos && config.bosId >= 0;
  if (config.addBos) parts.first = AddedToken{config.bosId, text(config.bosId), true};
  if (*addEos && !config.eosIds.empty()) parts.last = AddedToken{config.eosIds[0], text(config.eosIds[0]), true};
  return Status::ok();
}

/// Empty when the file has none.
rt::Result<std::string> chatTemplateOf(const GgufFile& gguf) {
  const char* key = "tokenizer.chat_template";
  const GgufValue* chat = gguf.find(key);
  if (!chat) return std::string();
  const Place place = placeOf(gguf, *chat, key);
  if (chat->type != GgufType::String) return importError("CF_TYPE", place, "must be a string");
  if (chat->text.size() > limits::kTemplateBytes)
    return importError("TM_TOO_LARGE", place,
                       "has " + std::to_string(chat->text.size()) + " bytes; at most 1 MiB is read");
  if (!validUtf8(chat->text)) return importError("TM_UTF8", place, "not UTF-8 text");
  return chat->text;
}

}  // namespace

rt::Result<GgufTokenizer> readGgufTokenizer(const GgufFile& gguf, ModelConfig& config) {
  const GgufValue* model = gguf.find("tokenizer.ggml.model");
  std::string name = model && model->type == GgufType::String ? model->text : "";
  if (name != "gpt2" && name != "llama")
    return importError("TK_UNSUPPORTED", placeOf(gguf, "tokenizer.ggml.model"),
                       "tokenizer '" + rt::escaped(name) + "' is not supported", "supported are gpt2 and llama");
  auto vocabulary = readVocabulary(gguf);
  if (!vocabulary) return vocabulary.takeStatus();
  TokenizerParts parts;
  bool addBos = true;
  if (name == "gpt2")
    LLMC_TRY(readByteLevel(gguf, *vocabulary, parts, addBos));
  else
    LLMC_TRY(readSentencePiece(gguf, *vocabulary, parts));
  LLMC_TRY(readSpecials(gguf, *vocabulary, addBos, config, parts));
  GgufTokenizer tokenizer;
  tokenizer.vocab = static_cast<int64_t>(vocabulary->tokens->size());
  tokenizer.json = writeTokenizerJson(parts);
  if (config.bosId >= 0) tokenizer.bosToken = (*vocabulary->tokens)[static_cast<size_t>(config.bosId)];
  if (!config.eosIds.empty()) tokenizer.eosToken = (*vocabulary->tokens)[static_cast<size_t>(config.eosIds[0])];
  auto chat = chatTemplateOf(gguf);
  if (!chat) return chat.takeStatus();
  tokenizer.chatTemplate = chat.take();
  return tokenizer;
}

}  // namespace llmc
