// Attention over the paged cache on tensor cores: the parts that kernels for one token and for blocks of tokens share.
//
// A warp has 16 rows, each one query head of one token, in the M of mma.m16n8k16. Lane l = 4g + t has rows g and g + 8.
// `Shape` is a struct of constants that the generator writes:
//   heads, kvHeads, dim  of the model; dim is a multiple of 16
//   rowHeads, headBlocks query heads that a block takes (at most 16), blocks that a KV head's query heads need
//   window, splits       keys visible behind a query (0: all); parts of the context (0: whole)
//   factor, softcap      by which queries are multiplied; > 0: scores are softcap * tanh of half of them (both make the
//                        scores base 2 logarithms)
//   queryStride          bytes from a token's queries to the next token's
//   pageBytes            from a page to the next
//   warps, stages        of attendSplitWarps(): warps that share the keys, pages in flight for each
//   tilePages, tileRows  of attendTile(): pages a step, query rows a block
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

/// copyAsync16() to an address of shared memory.
DEVICE void copyAsync16(u32 to, const u8 *from, bool exists) {
  const int bytes = exists ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
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
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
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

/// 16 query rows of a warp as the first factor of products, f16, times Shape::factor.
template <class Shape> struct QueryRows {
  u32 part[Shape::dim / 16][4];

  /// Columns 16k.. of all rows.
  METHOD void load(u32 (&factor)[4], int k) const {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      factor[i] = part[k][i];
  }
  /// Rows g and g + 8 of this lane, in memory. The area is what ParkedQuery needs.
  METHOD QueryRows(u8 *, const float *low, const float *high) {
    const int t = threadIdx.x % 4;
#pragma unroll
    for (int k = 0; k < Shape::dim / 16; ++k) {
      part[k][0] = pair(low, k * 16 + 2 * t);
      part[k][1] = pair(high, k * 16 + 2 * t);
      part[k][2] = pair(low, k * 16 + 8 + 2 * t);
      part[k][3] = pair(high, k * 16 + 8 + 2 * t);
    }
  }
  DEVICE u32 pair(const float *row, int column) {
    const float2 value = *reinterpret_cast<const float2 *>(row + column);
    constexpr float most = 65504; // of f16
    return packF16(fminf(fmaxf(value.x * Shape::factor, -most), most),
                     fminf(fmaxf(value.y * Shape::factor, -most), most));
  }
};

/// The same in shared memory, each lane its own: with heads over 128 the sums leave no registers for them.
template <class Shape> struct ParkedQuery {
  u8 *at; ///< of this lane, 16 bytes for each 16 columns

  /// `area`: dim * 32 bytes a warp.
  METHOD ParkedQuery(u8 *area, const float *low, const float *high)
      : at(area + threadIdx.x / 32 * (Shape::dim * 32) + threadIdx.x % 32 * 16) {
    const QueryRows<Shape> rows(area, low, high);
#pragma unroll
    for (int k = 0; k < Shape::dim / 16; ++k)
      *slot(k) = Words4{rows.part[k][0], rows.part[k][1], rows.part[k][2], rows.part[k][3]};
  }
  METHOD Words4 *slot(int k) const { return reinterpret_cast<Words4 *>(at + k * 512); }
  METHOD void load(u32 (&factor)[4], int k) const {
    const Words4 words = *slot(k);
    factor[0] = words.x, factor[1] = words.y, factor[2] = words.z, factor[3] = words.w;
  }
};

template <class Shape, bool parked = (Shape::dim > 128)> struct WarpQueryOf {
  using Type = QueryRows<Shape>;
};
template <class Shape> struct WarpQueryOf<Shape, true> {
  using Type = ParkedQuery<Shape>;
};
template <class Shape> using WarpQuery = typename WarpQueryOf<Shape>::Type;

/// Online softmax of 16 rows: weighted sums of values, relative to the largest score so far.
template <class Shape> struct SoftmaxRows {
  float sums[Shape::dim / 8][4]; // columns 8j + 2t, + 1 of row g, then of row g + 8
  float largest[2], total[2];    // of rows g and g + 8; `total` is this lane's share until finish()

  METHOD SoftmaxRows() {
#pragma unroll
    for (int j = 0; j < Shape::dim / 8; ++j)
      sums[j][0] = sums[j][1] = sums[j][2] = sums[j][3] = 0;
    largest[0] = largest[1] = -1e30f; // finite: what hides all keys leaves weights of 0
    total[0] = total[1] = 0;
  }

  /// Scores of the 16 keys of the page at `tile`: keys 8n + 2t, + 1 for row g, then for row g + 8.
  template <class Query> DEVICE void score(float (&scores)[2][4], const Query &query, u32 tile) {
    const int lane = threadIdx.x % 32;
    const u32 at = tile + swizzled<2>(lane % 16, lane / 16) * 16;
#pragma unroll
    for (int i = 0; i < 4; ++i)
      scores[0][i] = scores[1][i] = 0;
#pragma unroll
    for (int k = 0; k < Shape::dim / 16; ++k) {
      u32 keys[4], rows[4];
      loadTransposed(keys, at + k * 512);
      query.load(rows, k);
      multiplyF16(scores[0], rows, keys[0], keys[1]);
      multiplyF16(scores[1], rows, keys[2], keys[3]);
    }
    if constexpr (Shape::softcap > 0) {
#pragma unroll
      for (int i = 0; i < 8; ++i)
        scores[i / 4][i % 4] = Shape::softcap - 2 * Shape::softcap * reciprocal(exp2Fast(scores[i / 4][i % 4]) + 1);
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
  template <int pages> METHOD void add(float (&scores)[pages][2][4], u32 tile) {
    rescale<pages>(scores);
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int page = 0; page < pages; ++page) {
      u32 weights[4];
      weigh(weights, scores[page]);
      const u32 values = tile + page * Context<Shape>::tileBytes + Context<Shape>::partBytes;
#pragma unroll
      for (int j = 0; j < Shape::dim / 16; ++j) {
        u32 part[4];
        loadTransposed(part, values + swizzled<Shape::dim / 8>(lane % 16, 2 * j + lane / 16) * 16);
        multiplyF16(sums[2 * j], weights, part[0], part[1]);
        multiplyF16(sums[2 * j + 1], weights, part[2], part[3]);
      }
    }
  }

  /// Makes `total` the row's.
  METHOD void finish() {
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      total[row] += __shfl_xor_sync(kWholeWarp, total[row], 1);
      total[row] += __shfl_xor_sync(kWholeWarp, total[row], 2);
    }
  }

private:
  template <int pages> METHOD void rescale(const float (&scores)[pages][2][4]) {
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      float now = largest[row];
#pragma unroll
      for (int i = 0; i < 4 * pages; ++i)
        now = fmaxf(now, scores[i / 4][i / 2 % 2][2 * row + i % 2]);
      now = fmaxf(now, __shfl_xor_sync(kWholeWarp, now, 1));
      now = fmaxf(now, __shfl_xor_sync(kWholeWarp, now, 2));
      const float factor = exp2Fast(largest[row] - now);
      largest[row] = now;
      total[row] *= factor;
#pragma unroll
      for (int j = 0; j < Shape::dim / 8; ++j) {
        sums[j][2 * row] *= factor;
        sums[j][2 * row + 1] *= factor;
      }
    }
  }
  /// Scores to weights, which become the first factor of products.
  METHOD void weigh(u32 (&weights)[4], float (&scores)[2][4]) {
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
