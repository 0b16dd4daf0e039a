// Constants of one attention kernel and the register tile chosen for a level.
#pragma once

#include "codegen/registry/AttentionTable.h"
#include <algorithm>
#include <cstdint>

namespace llmc {

/// Attention of `heads` query heads over a paged cache with `kvHeads` heads; D = headDim. splits = 0: whole context and
/// normalised rows [T, heads * D]; splits > 0: one unnormalised part a split, [T, heads * splits * (D + 2)].
struct AttendShape {
  int64_t heads = 0, kvHeads = 0, headDim = 0;
  int64_t layers = 0; ///< layers in a page
  int64_t window = 0; ///< keys visible behind a query, 0: all
  int64_t splits = 0;
  double scale = 1.0, softcap = 0.0;
  bool bf16Products = false; ///< factors may be rounded to bf16 (llm.attend)
  bool int8Cache = false;    ///< keys and values are bytes and not f16, with an f32 scale for each token and head
  bool f32Cache = false;     ///< keys and values are f32 and not f16

  int64_t group() const { return heads / kvHeads; }
  int64_t elementBytes() const { return int8Cache ? 1 : f32Cache ? 4 : 2; }
  int64_t rowBytes() const { return headDim * elementBytes(); } ///< V of one token and head
  int64_t lineBytes() const {
    return kPageTokens * elementBytes();
  } ///< one dimension of K, or 16 columns of V of one token
  int64_t headBytes() const { return kPageTokens * rowBytes(); } ///< K or V of one head in a page
  int64_t valuesAt() const { return kvHeads * headBytes(); }     ///< V of the first head in a layer of a page
  /// Scales of one head's keys or values in a page.
  int64_t scaleBytes() const { return int8Cache ? kPageTokens * 4 : 0; }
  /// Scales of the first head's keys, and of its values, in a layer of a page.
  int64_t scalesAt() const { return 2 * valuesAt(); }
  int64_t valueScalesAt() const { return scalesAt() + kvHeads * scaleBytes(); }
  int64_t layerBytes() const { return valueScalesAt() + kvHeads * scaleBytes(); }
  int64_t pageBytes() const { return layers * layerBytes(); }

  static constexpr int64_t kPageTokens = 16;
  static constexpr int64_t kBlockTokens = kAttentionBlock;
  static constexpr int64_t kQueryTokens = kAttentionQueries;
  static constexpr int64_t kFour = 4; ///< bytes of a word of an int8 cache: dimensions of K, tokens of V
};

/// Registers: `tokens` x `heads` query rows against `pages` pages of 16 keys (scores) or `columns` vectors of 16
/// output columns (values).
struct AttendTile {
  int64_t tokens = 1, heads = 1, pages = 1, columns = 1;
  int64_t rows() const { return tokens * heads; }
};

/// Largest tile without spills. decode: one token a tile, more pages side by side to hide the latency of FMA.
AttendTile chooseTile(const AttendShape &shape, const Level &level, bool decode);

/// Query tokens of one work item: a multiple of the tile's tokens.
int64_t itemTokens(const AttendShape &shape, const AttendTile &tile, bool decode);

/// Scratch of a worker in AttendEmitter, byte offsets: scores of a tile for each KV head of an item, addresses of
/// pages, then a state for each KV head. A row is one query head of one token.
struct AttendScratch {
  AttendScratch(const AttendShape &shape, const AttendTile &tile, int64_t itemTokens, int64_t itemHeads);

  int64_t rows;       ///< of a state
  int64_t scoreBytes; ///< of one head
  int64_t pages;      ///< pointers to the pages of a block
  int64_t ahead;      ///< those of the next block
  int64_t state;      ///< of the first head
  int64_t totals;     ///< in a state, after f32 sums [rows][D]: f32 [rows][16], sums of the weights in 16 lanes
  int64_t largest;    ///< f32 [rows], what the exponents are relative to
  int64_t queries;    ///< with an int8 cache [rows][D] of 16 bits, as CodeProducts packs them
  int64_t factors;    ///< f32 [rows], what makes scores of the sums of their products with keys times the keys' scales
  int64_t starts;     ///< i32 [rows], where those sums begin
  int64_t stateBytes; ///< from one head to the next
};

/// Whether blocks of query tokens go through Bf16AttendEmitter. Who stores keys as f32 does not want them rounded.
inline bool usesBf16(const AttendShape &shape, const Level &level) {
  return shape.bf16Products && level.bf16 && shape.splits == 0 && !shape.f32Cache;
}

/// Whether they go through Int16AttendEmitter. An int8 cache has products of 16 bits anyway.
inline bool usesInt16(const AttendShape &shape, const Level &level) {
  return shape.bf16Products && !level.avx512 && shape.splits == 0 && !shape.f32Cache && !shape.int8Cache;
}

inline constexpr int64_t kBf16TileRows = kAttentionPairs[0].rows, kInt16TileRows = kAttentionPairs[1].rows;
inline int64_t pairTileRows(const Level &level) { return attentionPairOf(level).rows; }

/// Scratch of a worker in a PairAttendEmitter with tiles of `tileRows`, byte offsets. A row is one query head of one
/// token of the item, tokens outermost. Factors, of integers, make floats of them.
struct PairScratch {
  PairScratch(const AttendShape &shape, int64_t tileRows);

  int64_t tileRows;
  int64_t tokens;                                                ///< most tokens of an item
  int64_t rows;                                                  ///< rows of such an item and of a tile past its end
  int64_t queries;                                               ///< 16 bits [rows][D]
  int64_t sums;                                                  ///< f32 [rows][D], weighted values so far
  int64_t totals;                                                ///< f32 [rows][16], sums of the weights in 16 lanes
  int64_t largest;                                               ///< f32 [rows], what the exponents are relative to
  int64_t keys;                                                  ///< 16 bits [D / 2][64 keys][2]
  int64_t values;                                                ///< 16 bits [64 / 2][D][2 keys]
  int64_t scores;                                                ///< f32 [tileRows][64]
  int64_t weights;                                               ///< 16 bits [tileRows][64]
  int64_t queryFactors, keyFactors, valueFactors, weightFactors; ///< f32 [rows], [64], [64], [tileRows]
  int64_t bytes;

  int64_t fewestTokens(const AttendShape &shape) const {
    return std::min<int64_t>(tokens, (kAttentionLeastRows + shape.group() - 1) / shape.group());
  }
};

/// Scratch of a worker: the most that any emitter needs at any level.
int64_t attendScratchBytes(const AttendShape &shape);

} // namespace llmc
