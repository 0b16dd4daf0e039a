// Writes a Hugging Face tokenizer.json from a vocabulary and merges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llmc {

/// Kinds of byte-level pre-tokenizers, by the name GGUF gives them.
struct PreTokenizerKind {
  std::string normalizer;     ///< JSON
  std::string preTokenizer;   ///< JSON
  bool ignoreMerges = false;  ///< a piece that is a token as a whole is taken as it is
  bool addBos = false;        ///< when the metadata does not say
};

/// The kind called `name` ("smollm", "gpt-2", "llama-bpe", "qwen2", "tekken", "default", ...), or nothing.
std::optional<PreTokenizerKind> preTokenizerKind(const std::string& name);
/// Names for hints.
std::string preTokenizerNames();

struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool special = true;
};

/// What a BPE tokenizer consists of; all strings are valid UTF-8.
struct TokenizerParts {
  std::vector<std::pair<std::string, int64_t>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<AddedToken> added;
  std::string normalizer = "null", preTokenizer = "null", decoder = "null";  // JSON
  std::string unknownToken;                                                  ///< empty: none
  bool byteFallback = false, fuseUnknown = false, ignoreMerges = false;
  std::optional<AddedToken> first, last;  ///< put around every text: bos, eos
};

std::string writeTokenizerJson(const TokenizerParts& parts);

}  // namespace llmc
