// Attention of blocks of query rows: the warps of a block share out the rows, and each page in shared memory serves all.
#pragma once

#include "device/attention_split.cuh"

/// Which query tokens a block of the grid's x has: blocks are dealt to sequences in turn, as many as their tokens need,
/// and a sequence's last tokens come first because they have most keys. Sequence -1: the block has none.
template <class Shape> DEVICE AttendItem findItem(const Batch *batch) {
  constexpr int tileTokens = Shape::tileRows / Shape::rowHeads;
  const int lane = threadIdx.x % 32, sequences = batch->sequences;
  int block = blockIdx.x;
  AttendItem item{-1, (int)blockIdx.y / Shape::headBlocks, (int)blockIdx.y % Shape::headBlocks, 0, 0, 0, 0, 0};
  for (int first = 0; first < sequences; first += 32) {
    const int sequence = first + lane;
    const int start = sequence < sequences ? batch->queryStarts[sequence] : 0;
    const int tokens = sequence < sequences ? batch->queryStarts[sequence + 1] - start : 0;
    int upTo = (tokens + tileTokens - 1) / tileTokens; // blocks of the sequences up to this lane's
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      const int before = __shfl_up_sync(kWholeWarp, upTo, distance);
      upTo += lane >= distance ? before : 0;
    }
    const u32 after = __ballot_sync(kWholeWarp, block < upTo);
    if (after == 0) {
      block -= __shfl_sync(kWholeWarp, upTo, 31);
      continue;
    }
    const int owner = __ffs(after) - 1;
    const int fromEnd = __shfl_sync(kWholeWarp, upTo, owner) - 1 - block;
    const int count = __shfl_sync(kWholeWarp, tokens, owner), at = fromEnd * tileTokens;
    item.sequence = first + owner;
    item.firstToken = __shfl_sync(kWholeWarp, start, owner) + at;
    item.tokens = min(count - at, tileTokens);
    item.position = batch->positions[item.firstToken];
    item.end = item.position + item.tokens;
    item.begin = Shape::window > 0 ? max(0, item.position + 1 - Shape::window) : 0;
    return item;
  }
  return item;
}

/// Shared memory of a tile: a ring of steps, `tilePages` pages each, which all threads fill together.
template <class Shape> struct TilePages {
  static constexpr int stages = 2, lanes = Shape::tileThreads / Shape::tilePages; // threads a page
  static constexpr int stepBytes = Shape::tilePages * Context<Shape>::tileBytes;
  const Context<Shape> &context;
  u32 ring;
  int first, pages, steps, end;
  int id; ///< of the page that this thread copies next

  METHOD TilePages(const Context<Shape> &context, u32 ring, const AttendItem &item)
      : context(context), ring(ring), first(item.begin / 16), pages((item.end + 15) / 16 - first),
        steps((pages + Shape::tilePages - 1) / Shape::tilePages), end(item.end), id(lookUp(0)) {}
  METHOD int page(int step) const { return step * Shape::tilePages + (int)threadIdx.x / lanes; }
  METHOD int lookUp(int step) const { return page(step) < pages ? context.table[first + page(step)] : 0; }
  METHOD int key(int step) const { return (first + step * Shape::tilePages) * 16; }
  METHOD u32 tile(int step) const { return ring + step % stages * stepBytes; }
  /// Starts the copies of a step. Pages behind the last one become zeros.
  METHOD void fetch(int step) {
    if (step < steps) {
      const u32 to = tile(step) + threadIdx.x / lanes * Context<Shape>::tileBytes;
      context.template fetch<lanes>(to, id, end - (first + page(step)) * 16, threadIdx.x % lanes);
      id = lookUp(step + 1); // here, so that the next step's copies need not wait for it
    }
    commitCopies();
  }
};

/// Attends up to Shape::tileRows rows, 16 a warp. Calls sink(row, col, part) as attendSplitWarps() does.
template <class Shape, class Sink>
DEVICE void attendTile(u8 *shared, const u8 *queries, const u8 *cache, const Batch *batch, const AttendItem &item,
                    const Sink &sink) {
  constexpr int stepKeys = 16 * Shape::tilePages;
  const int warpRow = threadIdx.x / 32 * 16, low = warpRow + threadIdx.x % 32 / 4, high = low + 8;
  const Context<Shape> context(cache, batch, item.sequence, item.kvHead);
  TilePages<Shape> pages(context, sharedAddress(shared), item);
  pages.fetch(0);
  const WarpQuery<Shape> query(shared + pages.stages * pages.stepBytes, queryOfRow<Shape>(queries, item, low),
                               queryOfRow<Shape>(queries, item, high));
  SoftmaxRows<Shape> rows;
  // Positions of the rows of this lane, and of the first and last row of the warp.
  const int lowAt = item.position + low / Shape::rowHeads, highAt = item.position + high / Shape::rowHeads;
  const int firstAt = item.position + warpRow / Shape::rowHeads;
  const int lastAt = min(item.end - 1, item.position + (warpRow + 15) / Shape::rowHeads);
  for (int step = 0; step < pages.steps; ++step) {
    waitCopies<0>();
    __syncthreads(); // every thread's part of this step is there, and the previous one is used up
    pages.fetch(step + 1);
    const int key = pages.key(step);
    // A warp skips what all of its rows are too early for, or too late for the window; and rows that do not exist.
    if (firstAt >= item.end || key > lastAt || (Shape::window > 0 && key + stepKeys <= firstAt + 1 - Shape::window))
      continue;
    float scores[Shape::tilePages][2][4];
#pragma unroll
    for (int page = 0; page < Shape::tilePages; ++page)
      rows.score(scores[page], query, pages.tile(step) + page * Context<Shape>::tileBytes);
    if (key + stepKeys - 1 > firstAt || (Shape::window > 0 && key <= lastAt - Shape::window)) {
#pragma unroll
      for (int page = 0; page < Shape::tilePages; ++page)
        rows.hide(scores[page], key + page * 16, lowAt, highAt, item.end);
    }
    rows.template add<Shape::tilePages>(scores, pages.tile(step));
  }
  rows.finish();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = half ? high : low;
    if (headOfRow<Shape>(item, row) < 0)
      continue;
#pragma unroll
    for (int j = 0; j < Shape::dim / 8; ++j)
      sink(row, 8 * j + threadIdx.x % 4 * 2,
           RowPart{rows.sums[j][2 * half], rows.sums[j][2 * half + 1], rows.largest[half], rows.total[half]});
  }
}

/// llm.attend: grid (tiles, block of query heads). Calls sink(token, column, value, next column's value).
template <class Shape, class Sink>
DEVICE void attendBlock(u8 *shared, const u8 *queries, const u8 *cache, const Batch *batch, const Sink &sink) {
  const AttendItem item = findItem<Shape>(batch);
  if (item.sequence < 0)
    return;
  auto store = [&](int row, int col, const RowPart &part) {
    const float factor = reciprocal(part.total);
    sink(item.firstToken + row / Shape::rowHeads, headOfRow<Shape>(item, row) * Shape::dim + col, part.first * factor,
         part.second * factor);
  };
  // A sequence that decodes while others have prompts has few rows: then the keys are shared out instead.
  if (item.tokens * Shape::rowHeads <= 16)
    attendSplitWarps<Shape>(shared, queries, cache, batch, item, store);
  else
    attendTile<Shape>(shared, queries, cache, batch, item, store);
}
