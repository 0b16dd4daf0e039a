// Attention over the paged cache on tensor cores: the parts that kernels for one token and for blocks of tokens share.
//
// A warp has 16 rows, each one query head of one token, in the M of mma.m16n8k16. Lane l = 4g + t has rows g and g + 8.
// `Shape` is a struct of constants that the generator writes:
//   heads, kvHeads, dim     of the model; dim is a multiple of 16
//   rowHeads, headBlocks    query heads that a block takes (at most 16), blocks that a KV head's query heads need
//   window, splits          keys visible behind a query (0: all); parts of the context (0: whole)
//   factor, softcap         by which queries are multiplied; > 0: scores are softcap * tanh of half of them (both make
//                           the scores base 2 logarithms)
//   queryStride, pageBytes  bytes from a token's queries to the next token's, from a page to the next
//   warps, stages           of attendSplitWarps(): warps that share the keys, pages in the ring of each
//   splitParked             QueryRows::parked there
//   tileThreads, tilePages  of attendTile(): threads of a block, pages of a step
//   scorePages, rowBlocks   pages whose scores a warp has at once, blocks of 16 rows of a warp
//   parked                  QueryRows::parked there
#pragma once

#include "device/convert.cuh"
#include "device/memory.cuh"
#include "device/reduce.cuh"

#define METHOD __device__ __forceinline__

DEVICE float minusInfinity() { return __uint_as_float(0xff800000u); }
DEVICE float exp2Fast(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
DEVICE float reciprocal(float x) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

/// Four 8 x 8 matrices of f16 whose rows lie at the addresses of lanes 0-7, 8-15, 16-23, 24-31; lane 4g + t gets elements
/// (2t, g) and (2t + 1, g) of each.
DEVICE void loadTransposed(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
/// d += a b for a of 16 x 16 and b of 16 x 8 f16.
DEVICE void multiplyF16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// A page of one head in shared memory: K [dim][16 keys], then V [16 keys][dim], f16 in chunks of 16 bytes. ldmatrix
/// reads a chunk of 8 consecutive rows; `swizzled` puts those in 8 different groups of banks.
template <int chunks> DEVICE constexpr int swizzled(int row, int chunk) {
  constexpr int spread = chunks % 8 == 0 ? 8 : chunks % 4 == 0 ? 4 : chunks % 2 == 0 ? 2 : 1;
  return row * chunks + (chunk ^ (row / (8 / spread) % spread));
}

/// The keys and values of one head of one sequence.
template <class Shape> struct Context {
  const u8 *head;   // K of this head in page 0
  const int *table; // pages of the sequence

  static constexpr int partBytes = Shape::dim * 32, tileBytes = 2 * partBytes;

  METHOD Context(const u8 *cache, const Batch *batch, int sequence, int kvHead)
      : head(cache + kvHead * partBytes), table(batch->blockTable + (i64)sequence * batch->blockStride) {}

  /// Copies a page to `tile` by `lanes` threads, asynchronously and 16 bytes a thread. Of its keys, `live` exist: what
  /// lies behind them may be NaN, which a weight of 0 does not cancel, and is set to 0.
  template <int lanes> METHOD void fetch(u32 tile, int page, int live, int lane) const {
    const u8 *from = head + page * (i64)Shape::pageBytes + lane * 16;
    if (live >= kPageTokens)
      fetchRows<lanes, true>(tile, from, live, lane);
    else
      fetchRows<lanes, false>(tile, from, live, lane);
  }

private:
  template <int lanes, bool whole> DEVICE void fetchRows(u32 tile, const u8 *from, int live, int lane) {
    constexpr int chunks = Shape::dim / 8, count = 2 * Shape::dim;
    const u32 keys = tile + swizzled<2>(lane / 2, lane % 2) * 16;
#pragma unroll
    for (int i = 0; i < count; i += lanes) {
      if (i + lanes > count && i + lane >= count)
        return;
      copyAsync16(keys + i * 16, from + i * 16, whole || lane % 2 * 8 < live);
      // Lanes that span whole rows: the row of a lane's chunks grows by a constant.
      constexpr bool spans = lanes % chunks == 0;
      const int row = spans ? i / chunks + lane / chunks : (i + lane) / chunks;
      const int chunk = spans ? lane % chunks : (i + lane) % chunks;
      copyAsync16(tile + partBytes + swizzled<chunks>(row, chunk) * 16, from + Shape::kvHeads * partBytes + i * 16,
                  whole || row < live);
    }
  }
};

/// 16 query rows of a warp as the first factor of products, f16, times Shape::factor. Of each 16 columns a lane has 16
/// bytes: in registers, but for the last `parked` ones, for which the sums leave none. Those lie in shared memory.
template <class Shape, int parked> struct QueryRows {
  static constexpr int kept = Shape::dim / 16 - parked, areaBytes = parked * 512; // of a warp
  u32 part[kept > 0 ? kept : 1][4];
  u8 *area;

  /// Takes rows g and g + 8 of this lane from memory.
  METHOD void fill(u8 *areaOfWarp, const float *low, const float *high) {
    const int t = threadIdx.x % 4;
    area = areaOfWarp + threadIdx.x % 32 * 16;
#pragma unroll
    for (int k = 0; k < Shape::dim / 16; ++k) {
      const int column = k * 16 + 2 * t;
      const u32 rows[4] = {pair(low, column), pair(high, column), pair(low, column + 8), pair(high, column + 8)};
      if (k >= kept)
        *slot(k) = Words4{rows[0], rows[1], rows[2], rows[3]};
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (k < kept)
          part[k][i] = rows[i];
    }
  }
  /// Columns 16k.. of all rows.
  METHOD void load(u32 (&factor)[4], int k) const {
    if (k >= kept) {
      const Words4 words = *slot(k);
      factor[0] = words.x, factor[1] = words.y, factor[2] = words.z, factor[3] = words.w;
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
      factor[i] = part[k][i];
  }

private:
  METHOD Words4 *slot(int k) const { return reinterpret_cast<Words4 *>(area + (k - kept) * 512); }
  DEVICE u32 pair(const float *row, int column) {
    const float2 value = *reinterpret_cast<const float2 *>(row + column);
    constexpr float most = 65504; // of f16
    return packF16(fminf(fmaxf(value.x * Shape::factor, -most), most),
                   fminf(fmaxf(value.y * Shape::factor, -most), most));
  }
};

/// Online softmax of a warp's rows, `blocks` times 16: weighted sums of values, relative to the largest score so far.
/// What comes from shared memory serves all blocks.
template <class Shape, int blocks> struct SoftmaxRows {
  float sums[blocks][Shape::dim / 8][4];       // columns 8j + 2t, + 1 of row g, then of row g + 8
  float largest[blocks][2], total[blocks][2]; // of rows g and g + 8; `total` is this lane's share until finish()

  METHOD SoftmaxRows() {
#pragma unroll
    for (int block = 0; block < blocks; ++block) {
#pragma unroll
      for (int j = 0; j < Shape::dim / 8; ++j)
        sums[block][j][0] = sums[block][j][1] = sums[block][j][2] = sums[block][j][3] = 0;
      largest[block][0] = largest[block][1] = -1e30f; // finite: what hides all keys leaves weights of 0
      total[block][0] = total[block][1] = 0;
    }
  }

  /// Scores of the 16 keys of the page at `tile`: keys 8n + 2t, + 1 for row g, then for row g + 8.
  template <int parked>
  DEVICE void score(float (&scores)[blocks][2][4], const QueryRows<Shape, parked> (&query)[blocks], u32 tile) {
    const int lane = threadIdx.x % 32;
    const u32 at = tile + swizzled<2>(lane % 16, lane / 16) * 16;
#pragma unroll
    for (int i = 0; i < 8 * blocks; ++i)
      scores[i / 8][i / 4 % 2][i % 4] = 0;
#pragma unroll
    for (int k = 0; k < Shape::dim / 16; ++k) {
      u32 keys[4];
      loadTransposed(keys, at + k * 512);
#pragma unroll
      for (int block = 0; block < blocks; ++block) {
        u32 rows[4];
        query[block].load(rows, k);
        multiplyF16(scores[block][0], rows, keys[0], keys[1]);
        multiplyF16(scores[block][1], rows, keys[2], keys[3]);
      }
    }
    if constexpr (Shape::softcap > 0) {
#pragma unroll
      for (int i = 0; i < 8 * blocks; ++i) {
        float &score = scores[i / 8][i / 4 % 2][i % 4];
        score = Shape::softcap - 2 * Shape::softcap * reciprocal(exp2Fast(score) + 1);
      }
    }
  }

  /// Hides the keys of a page whose first is `key` from rows at positions `low` and `high`, and those from `end` on.
  DEVICE void hide(float (&scores)[2][4], int key, int low, int high, int end) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int here = key + i / 4 * 8 + threadIdx.x % 4 * 2 + i % 2, position = i % 4 < 2 ? low : high;
      const bool seen = here <= position && here < end && (Shape::window == 0 || here > position - Shape::window);
      scores[i / 4][i % 4] = seen ? scores[i / 4][i % 4] : minusInfinity();
    }
  }

  /// Takes in `pages` pages whose scores are known and that lie one after another from `tile` on.
  template <int pages> METHOD void add(float (&scores)[pages][blocks][2][4], u32 tile) {
    rescale<pages>(scores);
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int page = 0; page < pages; ++page) {
      u32 weights[blocks][4];
#pragma unroll
      for (int block = 0; block < blocks; ++block)
        weigh(weights[block], scores[page][block], largest[block], total[block]);
      const u32 values = tile + page * Context<Shape>::tileBytes + Context<Shape>::partBytes;
#pragma unroll
      for (int j = 0; j < Shape::dim / 16; ++j) {
        u32 part[4];
        loadTransposed(part, values + swizzled<Shape::dim / 8>(lane % 16, 2 * j + lane / 16) * 16);
#pragma unroll
        for (int block = 0; block < blocks; ++block) {
          multiplyF16(sums[block][2 * j], weights[block], part[0], part[1]);
          multiplyF16(sums[block][2 * j + 1], weights[block], part[2], part[3]);
        }
      }
    }
  }

  /// Makes `total` the row's.
  METHOD void finish() {
#pragma unroll
    for (int i = 0; i < 2 * blocks; ++i) {
      float &sum = total[i / 2][i % 2];
      sum += __shfl_xor_sync(kWholeWarp, sum, 1);
      sum += __shfl_xor_sync(kWholeWarp, sum, 2);
    }
  }

private:
  /// Makes `largest` hold for these scores, too. Most pages change it for no row, and then nothing for the sums.
  template <int pages> METHOD void rescale(const float (&scores)[pages][blocks][2][4]) {
    float now[blocks][2];
    bool grows = false;
#pragma unroll
    for (int i = 0; i < 2 * blocks; ++i) {
      float &most = now[i / 2][i % 2];
      most = largest[i / 2][i % 2];
#pragma unroll
      for (int j = 0; j < 4 * pages; ++j)
        most = fmaxf(most, scores[j / 4][i / 2][j / 2 % 2][i % 2 * 2 + j % 2]);
      most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, 1));
      most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, 2));
      grows |= most > largest[i / 2][i % 2];
    }
    if (!__any_sync(kWholeWarp, grows))
      return;
#pragma unroll
    for (int i = 0; i < 2 * blocks; ++i) {
      const int block = i / 2, row = i % 2;
      const float factor = exp2Fast(largest[block][row] - now[block][row]);
      largest[block][row] = now[block][row];
      total[block][row] *= factor;
#pragma unroll
      for (int j = 0; j < Shape::dim / 8; ++j) {
        sums[block][j][2 * row] *= factor;
        sums[block][j][2 * row + 1] *= factor;
      }
    }
  }
  /// Scores to weights, which become the first factor of products.
  DEVICE void weigh(u32 (&weights)[4], float (&scores)[2][4], const float (&largest)[2], float (&total)[2]) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float weight = exp2Fast(scores[i / 4][i % 4] - largest[i / 2 % 2]);
      scores[i / 4][i % 4] = weight;
      total[i / 2 % 2] += weight;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
      weights[i] = packF16(scores[i / 2][i % 2 * 2], scores[i / 2][i % 2 * 2 + 1]);
  }
};
