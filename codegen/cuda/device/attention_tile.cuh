// Attention of blocks of query rows: the warps of a block share out the rows, and each page in shared memory serves all.
#pragma once

#include "device/attention_split.cuh"

/// Which query tokens a block of the grid's x has: blocks are dealt to sequences in turn, as many as their tokens need,
/// and a sequence's last tokens come first because they have most keys. Sequence -1: the block has none.
template <class Shape> DEVICE AttendItem findItem(const Batch *batch) {
  constexpr int tileTokens = Shape::tileThreads / 2 * Shape::rowBlocks / Shape::rowHeads;
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
  static constexpr int pageBytes = Context<Shape>::storedBytes, stepBytes = Shape::tilePages * pageBytes;
  static constexpr int wideBytes = Shape::tilePages * Context<Shape>::wideBytes;
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
  METHOD u32 stored(int step) const { return ring + step % stages * stepBytes; }
  /// Pages of a step as f16: where they came, or behind the ring.
  METHOD u32 tile(int step) const { return wideBytes > 0 ? ring + stages * stepBytes : stored(step); }
  METHOD void makeF16(int step) const {
    const int mine = threadIdx.x / lanes;
    Context<Shape>::template makeF16<lanes>(tile(step) + mine * Context<Shape>::tileBytes,
                                            stored(step) + mine * pageBytes, threadIdx.x % lanes);
  }
  /// Starts the copies of a step. Pages behind the last one become zeros.
  METHOD void fetch(int step) {
    if (step < steps) {
      const u32 to = stored(step) + threadIdx.x / lanes * pageBytes;
      context.template fetch<lanes>(to, id, end - (first + page(step)) * 16, threadIdx.x % lanes);
      id = lookUp(step + 1); // here, so that the next step's copies need not wait for it
    }
    commitCopies();
  }
};

/// Positions of some rows of a tile: of this lane's two, and of the first and the last of them all that exists.
struct RowPositions {
  int low, high, first, last;

  /// `count` rows from `row` on, of which this lane has row + g and row + g + 8.
  template <class Shape> DEVICE RowPositions of(const AttendItem &item, int row, int count) {
    const int g = threadIdx.x % 32 / 4, at = item.position;
    return {at + (row + g) / Shape::rowHeads, at + (row + g + 8) / Shape::rowHeads, at + row / Shape::rowHeads,
            min(item.end - 1, at + (row + count - 1) / Shape::rowHeads)};
  }
  /// Whether a row sees any of the keys, and whether a row does not see one of them.
  template <class Shape> METHOD bool sees(int key, int keys) const {
    return first <= last && key <= last && (Shape::window == 0 || key + keys > first + 1 - Shape::window);
  }
  template <class Shape> METHOD bool misses(int key, int keys) const {
    return key + keys - 1 > first || (Shape::window > 0 && key <= last - Shape::window);
  }
};

/// Attends the rows of a tile, 16 * Shape::rowBlocks a warp. Calls sink(row, col, part) as attendSplitWarps().
template <class Shape, class Sink>
DEVICE void attendTile(u8 *shared, const u8 *queries, const u8 *cache, const Batch *batch, const AttendItem &item,
                       const Sink &sink) {
  constexpr int blocks = Shape::rowBlocks, warpRows = 16 * blocks, group = Shape::scorePages;
  const int g = threadIdx.x % 32 / 4, firstRow = threadIdx.x / 32 * warpRows;
  const Context<Shape> context(cache, batch, item.sequence, item.kvHead);
  TilePages<Shape> pages(context, sharedAddress(shared), item);
  pages.fetch(0);
  using Query = QueryRows<Shape, Shape::parked>;
  Query query[blocks];
#pragma unroll
  for (int block = 0; block < blocks; ++block) {
    const int row = firstRow + 16 * block;
    query[block].fill(shared + pages.stages * pages.stepBytes + pages.wideBytes + row / 16 * Query::areaBytes,
                      queryOfRow<Shape>(queries, item, row + g), queryOfRow<Shape>(queries, item, row + g + 8));
  }
  SoftmaxRows<Shape, blocks> rows;
  const RowPositions all = RowPositions::of<Shape>(item, firstRow, warpRows);
  for (int step = 0; step < pages.steps; ++step) {
    waitCopies<0>();
    __syncthreads(); // every thread's part of this step is there, and the previous one is used up
    pages.fetch(step + 1);
    if constexpr (!Context<Shape>::isF16) {
      pages.makeF16(step);
      __syncthreads(); // all pages of this step are f16
    }
#pragma unroll 1
    for (int first = 0; first < Shape::tilePages; first += group) {
      const int key = pages.key(step) + 16 * first;
      const u32 tile = pages.tile(step) + first * Context<Shape>::tileBytes;
      const u32 scales = pages.stored(step) + first * pages.pageBytes + 2 * Context<Shape>::storedPart;
      if (!all.template sees<Shape>(key, 16 * group))
        continue;
      float scores[group][blocks][2][4];
#pragma unroll
      for (int page = 0; page < group; ++page)
        rows.score(scores[page], query, tile + page * Context<Shape>::tileBytes, scales + page * pages.pageBytes);
      if (all.template misses<Shape>(key, 16 * group)) {
#pragma unroll
        for (int i = 0; i < group * blocks; ++i) {
          const RowPositions here = RowPositions::of<Shape>(item, firstRow + i % blocks * 16, 16);
          rows.hide(scores[i / blocks][i % blocks], key + i / blocks * 16, here.low, here.high, item.end);
        }
      }
      rows.template add<group>(scores, tile, scales + Context<Shape>::scaleBytes);
    }
  }
  rows.finish();
#pragma unroll
  for (int i = 0; i < 2 * blocks; ++i) {
    const int block = i / 2, half = i % 2, row = firstRow + 16 * block + 8 * half + g;
    if (headOfRow<Shape>(item, row) < 0)
      continue;
#pragma unroll
    for (int j = 0; j < Shape::dim / 8; ++j)
      sink(row, 8 * j + threadIdx.x % 4 * 2,
           RowPart{rows.sums[block][j][2 * half], rows.sums[block][j][2 * half + 1], rows.largest[block][half],
                   rows.total[block][half]});
  }
}

/// llm.attend: grid (tiles, block of query heads). `sinks`: f32 [heads] with Shape::sinks. Calls sink(token, column,
/// value, next column's value).
template <class Shape, class Sink>
DEVICE void attendBlock(u8 *shared, const u8 *queries, const u8 *cache, const Batch *batch, const u8 *sinks,
                        const Sink &sink) {
  const AttendItem item = findItem<Shape>(batch);
  if (item.sequence < 0)
    return;
  auto store = [&](int row, int col, const RowPart &part) {
    const int head = headOfRow<Shape>(item, row);
    float total = part.total;
    if constexpr (Shape::sinks) { // far above the scores its weight overflows, and the row is 0, as it nearly is
      constexpr float log2e = 1.442695040888963f;
      total += exp2Fast(reinterpret_cast<const float *>(sinks)[head] * log2e - part.largest);
    }
    const float factor = reciprocal(total);
    sink(item.firstToken + row / Shape::rowHeads, head * Shape::dim + col, part.first * factor, part.second * factor);
  };
  // A sequence that decodes while others have prompts has few rows: then the keys are shared out instead.
  if (item.tokens * Shape::rowHeads <= 16)
    attendSplitWarps<Shape>(shared, queries, cache, batch, item, store);
  else
    attendTile<Shape>(shared, queries, cache, batch, item, store);
}
