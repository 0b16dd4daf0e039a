// The table of attention on the CPU: register tiles by level and cache, how work is cut, and what each was measured by.
#pragma once

#include "codegen/registry/ConfigRow.h"
#include "llvm/ADT/ArrayRef.h"
#include <string_view>

namespace llmc {

/// Sets of what keys and values are stored as.
using CacheSet = uint8_t;
inline constexpr CacheSet kFloatCache = 1, kInt8Cache = 2; ///< kFloatCache: f16 and f32

/// Register tiles of scores and of weighted values, query rows by vectors of 16 f32: `scores` and `values` of those at
/// most. A group of heads that exceeds `scores` by no more than `spilled` is kept whole all the same.
struct AttentionTileRow {
  LevelSet levels;
  CacheSet cache;
  int16_t scores, values, spilled;
  Basis basis;
};

/// Rows of a tile of products of 16-bit pairs (bf16 or integers), by two vectors of 16 keys.
struct AttentionPairRow {
  LevelSet levels;
  int16_t rows;
  Basis basis;
};

/// A number for all levels.
struct AttentionNumber {
  const char *name;
  int64_t value;
  Basis basis;
};

llvm::ArrayRef<AttentionTileRow> attentionTileTable();

/// The rows that apply: the first.
const AttentionTileRow &attentionTileOf(const Level &level, bool int8Cache);
const AttentionPairRow &attentionPairOf(const Level &level);

// clang-format off
inline constexpr AttentionPairRow kAttentionPairs[] = {
//   levels     rows  basis
  {kAvx512,       12, {"", "12 rows by 2 vectors: 24 sums of 32 registers"}},
  {kAvx2,          6, {"", "6 rows by 2 halves: 12 sums of 16 registers"}},
};

inline constexpr AttentionNumber kAttentionNumbers[] = {
//  name            value  basis                                                        what
  {"block_keys",       64, {kConfigurationResults, "Keys a block"}},                 // between two softmax corrections
  {"parts",            16, {kConfigurationResults, "Parts of a context"}},           // that workers share, one token a sequence
  {"query_tokens",     16, {kAttentionResults, "Query tokens an item"}},               // products in f32: at least
  {"most_rows",       192, {kAttentionResults, "Rows an item"}},                       // products of 16 bits, query heads by tokens
  {"least_rows",       48, {kAttentionResults, "Rows an item"}},                       // the same
  {"worker_items",      6, {kAttentionResults, "Items a worker"}},                     // products of 16 bits, of each prompt
  {"idle_keys",        32, {kAttentionResults, "Items without keys"}},                 // what an item costs beside its keys
};
// clang-format on

consteval int64_t attentionNumber(std::string_view name) {
  for (const AttentionNumber &number : kAttentionNumbers)
    if (name == number.name)
      return number.value;
  throw "no such number";
}
inline constexpr int64_t kAttentionBlock = attentionNumber("block_keys"), kAttentionParts = attentionNumber("parts"),
                         kAttentionQueries = attentionNumber("query_tokens"),
                         kAttentionMostRows = attentionNumber("most_rows"),
                         kAttentionLeastRows = attentionNumber("least_rows"),
                         kAttentionItems = attentionNumber("worker_items"),
                         kAttentionIdleKeys = attentionNumber("idle_keys");

} // namespace llmc
