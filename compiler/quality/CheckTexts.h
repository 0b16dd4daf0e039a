// Whether the runtime will take a model's tokenizer and chat template, asked before the work of a build.
#pragma once

#include "runtime/base/status.h"

#include <string>
#include <vector>

namespace llmc {

/// Files and objects that the texts came from: they go in front of errors.
struct TextPlaces {
  std::string tokenizer, chatTemplate;
};

/// Compiles both as llmc-run does. A template
/// that compiles and fails on all of some usual conversations adds a line to `warnings`: raw prompts need none.
/// Errors: TK_*, TM_*, kind kBadInput.
rt::Status checkTexts(const std::string &tokenizerJson, const std::string &chatTemplate, const TextPlaces &places,
                      std::vector<std::string> &warnings);

/// A tokenizer.json as an engine's sections hold it.
struct TokenizerTexts {
  std::string json;  ///< TOKENIZER
  std::string table; ///< TOKENS; empty: the tokenizer is none of byte pairs, and `json` is all of it
};

/// The same bytes for the same file. Errors: TK_*, as checkTexts().
rt::Result<TokenizerTexts> tokenizerTexts(const std::string &tokenizerJson);

} // namespace llmc
