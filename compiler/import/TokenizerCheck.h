// Checks of a tokenizer.json before it goes into an engine.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "compiler/import/JsonPlaces.h"
#include "runtime/base/status.h"

namespace llmc {

/// What the rest of the importer wants to know of a tokenizer.json.
struct TokenizerFacts {
  int64_t idEnd = 0;                                  ///< one above the largest token id
  JsonPath lastId;                                    ///< where that largest id stands
  int64_t firstId = -1;                               ///< token that the post-processor puts before every text, or -1
  std::unordered_map<std::string, int64_t> addedIds;  ///< added tokens by text
};

/// TK_* errors: sizes, ids, merges, added tokens, parts and patterns that the runtime's tokenizer cannot or should not
/// run.
rt::Result<TokenizerFacts> checkTokenizerJson(const std::string& text, const std::string& file);

/// Nothing when `pattern` is fit to be run on untrusted text, else the reason: too long, a back-reference, or a
/// repeated group that repeats inside (the two ways to make a backtracking matcher take exponential time).
std::string patternFault(const std::string& pattern);

}  // namespace llmc
