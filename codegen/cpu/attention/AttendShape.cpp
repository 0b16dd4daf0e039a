// Choice of the attention register tile.
#include "codegen/cpu/attention/AttendShape.h"

#include <algorithm>

namespace llmc {

/// Largest divisor of `value` that is at most `limit`.
static int64_t divisorUpTo(int64_t value, int64_t limit) {
  for (int64_t d = std::min(value, limit); d > 1; --d)
    if (value % d == 0)
      return d;
  return 1;
}

AttendTile chooseTile(const AttendShape &shape, const Level &level, bool decode) {
  const AttentionTileRow &most = attentionTileOf(level, shape.int8Cache);
  const int64_t group = shape.group();
  AttendTile tile;
  // A prime group just over the limit is better kept whole with a spill or two than cut to single heads.
  tile.heads = group <= most.scores + most.spilled ? group : divisorUpTo(group, most.scores);
  tile.tokens = decode ? 1 : std::max<int64_t>(1, most.scores / tile.heads);
  tile.pages = 1;
  while (tile.pages < 4 && tile.rows() * tile.pages * 2 <= most.scores)
    tile.pages *= 2;
  tile.columns = divisorUpTo(shape.headDim / 16, std::max<int64_t>(1, most.values / tile.rows()));
  return tile;
}

int64_t itemTokens(const AttendShape &shape, const AttendTile &tile, bool decode) {
  if (decode)
    return 1;
  return (AttendShape::kQueryTokens + tile.tokens - 1) / tile.tokens * tile.tokens;
}

AttendScratch::AttendScratch(const AttendShape &shape, const AttendTile &tile, int64_t itemTokens, int64_t itemHeads)
    : rows(itemTokens * shape.group()), scoreBytes(tile.tokens * shape.group() * AttendShape::kBlockTokens * 4),
      pages(itemHeads * scoreBytes), ahead(pages + AttendShape::kBlockTokens / AttendShape::kPageTokens * 8),
      state(pages + 64), totals(rows * shape.headDim * 4), largest(totals + rows * 64),
      queries((largest + rows * 4 + 63) / 64 * 64), factors(queries + (shape.int8Cache ? rows * shape.headDim * 2 : 0)),
      starts(factors + (shape.int8Cache ? rows * 4 : 0)),
      stateBytes((starts + (shape.int8Cache ? rows * 4 : 0) + 63) / 64 * 64) {}

PairScratch::PairScratch(const AttendShape &shape, int64_t tileRows) : tileRows(tileRows) {
  int64_t dim = shape.headDim, block = AttendShape::kBlockTokens;
  tokens = std::max<int64_t>(1, kAttentionMostRows / shape.group());
  // The last tile starts at any row: up to a tile is computed past the last one.
  rows = (tokens * shape.group() + 2 * tileRows - 1) / tileRows * tileRows;
  bytes = 0;
  auto take = [&](int64_t size) {
    int64_t at = bytes;
    bytes += (size + 63) / 64 * 64;
    return at;
  };
  queries = take(rows * dim * 2);
  sums = take(rows * dim * 4);
  totals = take(rows * 64);
  largest = take(rows * 4);
  keys = take(block * dim * 2);
  values = take(block * dim * 2);
  scores = take(tileRows * block * 4);
  weights = take(tileRows * block * 2);
  queryFactors = take(rows * 4);
  keyFactors = take(block * 4);
  valueFactors = take(block * 4);
  weightFactors = take(tileRows * 4);
}

int64_t attendScratchBytes(const AttendShape &shape) {
  int64_t bytes = 0;
  for (const Level &level : cpuLevels()) {
    if (usesBf16(shape, level) || usesInt16(shape, level))
      bytes = std::max(bytes, PairScratch(shape, pairTileRows(level)).bytes);
    AttendTile wide = chooseTile(shape, level, false), narrow = chooseTile(shape, level, true);
    AttendScratch many(shape, wide, itemTokens(shape, wide, false), 1), one(shape, narrow, 1, shape.kvHeads);
    bytes = std::max({bytes, many.state + many.stateBytes, one.state + shape.kvHeads * one.stateBytes});
  }
  return bytes;
}

} // namespace llmc
