// Attention of at most 16 rows: the warps of a block share out the keys, so that each byte of the cache is read once.
#pragma once

#include "device/attention.cuh"

/// The rows: query heads headBlock * rowHeads + 0..rowHeads-1 of KV head kvHead for tokens firstToken.. of a sequence.
struct AttendItem {
  int sequence, kvHead, headBlock;
  int firstToken, tokens;
  int position;   ///< of the first token; the others follow
  int begin, end; ///< keys of the sequence that any row may see
};

/// Query head of row `row` among all, or -1: not one of this block's.
template <class Shape> DEVICE int headOfRow(const AttendItem &item, int row) {
  constexpr int group = Shape::heads / Shape::kvHeads;
  const int inGroup = item.headBlock * Shape::rowHeads + row % Shape::rowHeads;
  return row < item.tokens * Shape::rowHeads && inGroup < group ? item.kvHead * group + inGroup : -1;
}

/// Queries of row `row`. A row that does not exist gets those of row 0: something to compute with, never stored.
template <class Shape> DEVICE const float *queryOfRow(const u8 *queries, const AttendItem &item, int row) {
  const int found = headOfRow<Shape>(item, row), from = found < 0 ? 0 : row;
  const int token = item.firstToken + from / Shape::rowHeads, head = headOfRow<Shape>(item, from);
  return reinterpret_cast<const float *>(queries + token * (i64)Shape::queryStride) + head * Shape::dim;
}

/// A warp's pages: those of the item from its own number on, every Shape::warps-th. Its ring in shared memory is its own,
/// so that warps never wait for one another.
template <class Shape> struct WarpPages {
  static constexpr int pageBytes = Context<Shape>::storedBytes, ringBytes = Shape::stages * pageBytes;
  const Context<Shape> &context;
  const int first, end; ///< first page, keys of the sequence
  int count;            ///< pages
  u32 ring, to;         ///< where the next page to use lies, and where the next one to fetch goes
  u32 last;             ///< last page of the ring
  int ids = 0;          ///< lane i: the page table's entry for page i of the current 32

  METHOD WarpPages(const Context<Shape> &context, u32 ring, const AttendItem &item, int warp)
      : context(context), first(item.begin / 16 + warp), end(item.end), ring(ring), to(ring),
        last(ring + ringBytes - pageBytes) {
    count = (max((item.end + 15) / 16 - first, 0) + Shape::warps - 1) / Shape::warps;
  }
  METHOD int key(int i) const { return (first + i * Shape::warps) * 16; }
  METHOD u32 after(u32 page) const { return page == last ? last + pageBytes - ringBytes : page + pageBytes; }
  METHOD u32 stored() const { return ring; }
  METHOD void advance() { ring = after(ring); }
  /// Starts the copy of page i, called for each in turn; past the last an empty group, so that groups keep their count.
  METHOD void fetch(int i) {
    const int lane = threadIdx.x % 32;
    if (i % 32 == 0 && i + lane < count)
      ids = context.table[first + (i + lane) * Shape::warps];
    const int page = __shfl_sync(kWholeWarp, ids, i % 32);
    if (i < count)
      context.template fetch<32>(to, page, end - key(i), lane);
    to = after(to);
    commitCopies();
  }
};

/// Where warps leave their rows to be merged; over the rings, once all of them are done.
template <class Shape> struct MergeArea {
  static constexpr int rowFloats = Shape::dim + 8; // 8 rows of a column in different banks
  float sums[Shape::warps][16][rowFloats];
  float largest[Shape::warps][16], total[Shape::warps][16];

  METHOD void leave(const SoftmaxRows<Shape, 1> &rows, int warp, int live) {
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = g + 8 * half;
      if (row >= live)
        continue;
      if (t == 0) {
        largest[warp][row] = rows.largest[0][half];
        total[warp][row] = rows.total[0][half];
      }
#pragma unroll
      for (int j = 0; j < Shape::dim / 8; ++j)
        *reinterpret_cast<float2 *>(&sums[warp][row][8 * j + 2 * t]) =
            make_float2(rows.sums[0][j][2 * half], rows.sums[0][j][2 * half + 1]);
    }
  }
};

/// Columns col and col + 1 of a row: unnormalised sums, largest score (base 2) and sum of weights of the row.
struct RowPart {
  float first, second, largest, total;
};

template <class Shape> DEVICE RowPart mergedPart(const MergeArea<Shape> &area, int row, int col) {
  RowPart part{0, 0, area.largest[0][row], 0};
#pragma unroll
  for (int warp = 1; warp < Shape::warps; ++warp)
    part.largest = fmaxf(part.largest, area.largest[warp][row]);
#pragma unroll
  for (int warp = 0; warp < Shape::warps; ++warp) {
    const float factor = exp2Fast(area.largest[warp][row] - part.largest);
    const float2 sums = *reinterpret_cast<const float2 *>(&area.sums[warp][row][col]);
    part.first += factor * sums.x;
    part.second += factor * sums.y;
    part.total += factor * area.total[warp][row];
  }
  return part;
}

/// Attends item.tokens * Shape::rowHeads <= 16 rows to their keys. Calls sink(row, col, part) for pairs of columns of
/// the rows that exist. All threads of the block call it; those past Shape::warps only help to merge.
template <class Shape, class Sink>
DEVICE void attendSplitWarps(u8 *shared, const u8 *queries, const u8 *cache, const Batch *batch, const AttendItem &item,
                          const Sink &sink) {
  const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, live = item.tokens * Shape::rowHeads;
  SoftmaxRows<Shape, 1> rows;
  if (warp < Shape::warps) {
    const Context<Shape> context(cache, batch, item.sequence, item.kvHead);
    WarpPages<Shape> pages(context, sharedAddress(shared) + warp * WarpPages<Shape>::ringBytes, item, warp);
#pragma unroll
    for (int i = 0; i < Shape::stages - 1; ++i)
      pages.fetch(i);
    using Query = QueryRows<Shape, Shape::splitParked>;
    Query query[1];
    query[0].fill(shared + Shape::warps * WarpPages<Shape>::ringBytes + warp * Query::areaBytes,
                  queryOfRow<Shape>(queries, item, g), queryOfRow<Shape>(queries, item, g + 8));
    const u32 wide = sharedAddress(shared) + Shape::warps * (WarpPages<Shape>::ringBytes + Query::areaBytes) +
                     warp * Context<Shape>::wideBytes;
    const int low = item.position + g / Shape::rowHeads, high = item.position + (g + 8) / Shape::rowHeads;
    for (int i = 0; i < pages.count; ++i) {
      waitCopies<Shape::stages - 2>();
      __syncwarp(); // every lane's part of page i is there, and page i - 1 is used up
      pages.fetch(i + Shape::stages - 1);
      float scores[1][1][2][4];
      const int key = pages.key(i);
      const u32 stored = pages.stored(), tile = Context<Shape>::wideBytes > 0 ? wide : stored;
      if constexpr (!Context<Shape>::isF16) {
        Context<Shape>::template makeF16<32>(tile, stored, threadIdx.x % 32);
        __syncwarp(); // every lane's part of the page is f16
      }
      const u32 scales = stored + 2 * Context<Shape>::storedPart;
      rows.score(scores[0], query, tile, scales);
      if (key + 16 > min(item.end, item.position + 1) ||
          (Shape::window > 0 && key <= item.position + item.tokens - 1 - Shape::window))
        rows.hide(scores[0][0], key, low, high, item.end);
      rows.template add<1>(scores, tile, scales + Context<Shape>::scaleBytes);
      pages.advance();
    }
    waitCopies<0>();
    rows.finish();
  }
  __syncthreads();
  auto &area = *reinterpret_cast<MergeArea<Shape> *>(shared);
  if (warp < Shape::warps)
    area.leave(rows, warp, live);
  __syncthreads();
  for (int i = threadIdx.x; i < live * (Shape::dim / 2); i += blockDim.x) {
    const int row = i / (Shape::dim / 2), col = i % (Shape::dim / 2) * 2;
    if (headOfRow<Shape>(item, row) >= 0)
      sink(row, col, mergedPart<Shape>(area, row, col));
  }
}

/// llm.attend_partial: grid (token, block of query heads, split). A part of a context of L keys has
/// max(64, roundUp(ceil(L / parts), 16)) of them. Of a part without keys only m = -inf and l = 0 are written, and so are
/// the parts from Shape::parts on, of which each block has every Shape::parts-th.
template <class Shape>
DEVICE void attendPart(u8 *shared, const u8 *queries, const u8 *cache, const Batch *batch, u8 *result, i64 resultStride) {
  const int token = blockIdx.x, split = blockIdx.z;
  if (token >= batch->tokens)
    return;
  AttendItem item;
  // With one token each, token i is sequence i's: one look-up less before the first key can be asked for.
  item.sequence = batch->tokens == batch->sequences ? token : batch->tokenSeq[token];
  item.kvHead = blockIdx.y / Shape::headBlocks;
  item.headBlock = blockIdx.y % Shape::headBlocks;
  item.firstToken = token;
  item.tokens = 1;
  item.position = batch->positions[token];
  const int length = batch->contextLens[item.sequence];
  const int unit = max(64, ((length + Shape::parts - 1) / Shape::parts + 15) / 16 * 16);
  item.begin = max(split * unit, Shape::window > 0 ? item.position + 1 - Shape::window : 0);
  item.end = min(min(length, split * unit + unit), item.position + 1);
  float *const parts = reinterpret_cast<float *>(result + token * resultStride);
  auto partOf = [&](int row, int number) {
    return parts + (headOfRow<Shape>(item, row) * Shape::splits + number) * (Shape::dim + 2);
  };
  const int row = threadIdx.x;
  const bool hasRow = row < Shape::rowHeads && headOfRow<Shape>(item, row) >= 0;
#pragma unroll
  for (int other = Shape::parts; other < Shape::splits; other += Shape::parts)
    if (hasRow && other + split < Shape::splits)
      *reinterpret_cast<float2 *>(partOf(row, other + split) + Shape::dim) = make_float2(minusInfinity(), 0);
  if (item.begin < item.end)
    return attendSplitWarps<Shape>(shared, queries, cache, batch, item, [&](int row, int col, const RowPart &part) {
      constexpr float ln2 = 0.693147180559945f;
      *reinterpret_cast<float2 *>(partOf(row, split) + col) = make_float2(part.first, part.second);
      if (col == 0)
        *reinterpret_cast<float2 *>(partOf(row, split) + Shape::dim) = make_float2(part.largest * ln2, part.total);
    });
  if (hasRow)
    *reinterpret_cast<float2 *>(partOf(row, split) + Shape::dim) = make_float2(minusInfinity(), 0);
}
