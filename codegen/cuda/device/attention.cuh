// Attention over the paged cache on tensor cores: the parts that kernels for one token and for blocks of tokens share.
//
// A warp has 16 rows, each one query head of one token, in the M of mma.m16n8k16. Lane l = 4g + t has rows g and g + 8.
// `Shape` is a struct of constants that the generator writes:
//   heads, kvHeads, dim     of the model; dim is a multiple of 16
//   rowHeads, headBlocks    query heads that a block takes (at most 16), blocks that a KV head's query heads need
//   window, splits          keys visible behind a query (0: all); parts of the context (0: whole)
//   parts                   of these, the ones that blocks have; the others get no keys
//   sinks                   whether each softmax counts a logit of its head more, that of a key without a value
//   factor, softcap         by which queries are multiplied; > 0: scores are softcap * tanh of half of them (both make
//                           the scores base 2 logarithms)
//   Kv                      what the cache holds: F16, BF16, or I8 or E4m3 with a scale for each token
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

template <class Format> constexpr bool kIsF16 = false;
template <> constexpr bool kIsF16<F16> = true;

/// A page of one head in shared memory: K [dim][16 keys], then V [16 keys][dim], f16 in chunks of 16 bytes. ldmatrix
/// reads a chunk of 8 consecutive rows; `swizzled` puts those in 8 different groups of banks.
template <int chunks> DEVICE constexpr int swizzled(int row, int chunk) {
  constexpr int spread = chunks % 8 == 0 ? 8 : chunks % 4 == 0 ? 4 : chunks % 2 == 0 ? 2 : 1;
  return row * chunks + (chunk ^ (row / (8 / spread) % spread));
}

/// The keys and values of one head of one sequence. Those that are not f16 become so in shared memory: bf16 where they
/// lie, codes beside them. Scores are multiplied with the scales of keys, weights with those of values.
template <class Shape> struct Context {
  const u8 *head;   // K of this head in page 0
  const u8 *scales; // of this head's keys in page 0, if it has any
  const int *table; // pages of the sequence

  using Kv = typename Shape::Kv;
  static constexpr bool isF16 = kIsF16<Kv>, scaled = Kv::kBytes == 1;
  static constexpr int partBytes = Shape::dim * 32, tileBytes = 2 * partBytes;
  // Of a page in memory, and as copies bring it: K or V; their scales; all. What codes need beside that as f16.
  static constexpr int storedPart = Shape::dim * 16 * Kv::kBytes, scaleBytes = scaled ? 64 : 0;
  static constexpr int storedBytes = 2 * (storedPart + scaleBytes), wideBytes = scaled ? tileBytes : 0;

  METHOD Context(const u8 *cache, const Batch *batch, int sequence, int kvHead)
      : head(cache + kvHead * storedPart), scales(cache + 2 * Shape::kvHeads * storedPart + kvHead * scaleBytes),
        table(batch->blockTable + (i64)sequence * batch->blockStride) {}

  /// Copies a page to `tile` by `lanes` threads, asynchronously and 16 bytes a thread. Of its keys, `live` exist: what
  /// lies behind them may be NaN, which a weight of 0 does not cancel, and is set to 0; of codes, the scales are.
  template <int lanes> METHOD void fetch(u32 tile, int page, int live, int lane) const {
    const u8 *from = head + page * (i64)Shape::pageBytes + lane * 16;
    if constexpr (scaled)
      fetchCodes<lanes>(tile + lane * 16, from, scales + page * (i64)Shape::pageBytes + lane * 16, live, lane);
    else if (live >= kPageTokens)
      fetchRows<lanes, true>(tile, from, live, lane);
    else
      fetchRows<lanes, false>(tile, from, live, lane);
  }

  /// Makes the f16 page at `tile` of the one at `stored`, by `lanes` threads.
  template <int lanes> DEVICE void makeF16(u32 tile, u32 stored, int lane) {
    eachChunk<lanes>(tile, lane, [&](u32 keys, u32 values, int i, int) {
      if constexpr (scaled) {
        const u32 codes = stored + (i + lane) * 8;
        widen(keys, loadShared8(codes));
        widen(values, loadShared8(codes + storedPart));
      } else {
        narrow(keys, loadShared16(keys));
        narrow(values, loadShared16(values));
      }
    });
  }

private:
  /// Calls visit(its keys, its values, i, row of its values) for chunks i + lane of K and V in a page at `tile`.
  template <int lanes, class Visit> DEVICE void eachChunk(u32 tile, int lane, const Visit &visit) {
    constexpr int chunks = Shape::dim / 8, count = 2 * Shape::dim;
    const u32 keys = tile + swizzled<2>(lane / 2, lane % 2) * 16;
#pragma unroll
    for (int i = 0; i < count; i += lanes) {
      if (i + lanes > count && i + lane >= count)
        return;
      // Lanes that span whole rows: the row of a lane's chunks grows by a constant.
      constexpr bool spans = lanes % chunks == 0;
      const int row = spans ? i / chunks + lane / chunks : (i + lane) / chunks;
      const int chunk = spans ? lane % chunks : (i + lane) % chunks;
      visit(keys + i * 16, tile + partBytes + swizzled<chunks>(row, chunk) * 16, i, row);
    }
  }
  template <int lanes, bool whole> DEVICE void fetchRows(u32 tile, const u8 *from, int live, int lane) {
    eachChunk<lanes>(tile, lane, [&](u32 keys, u32 values, int i, int row) {
      copyAsync16(keys, from + i * 16, whole || lane % 2 * 8 < live);
      copyAsync16(values, from + Shape::kvHeads * partBytes + i * 16, whole || row < live);
    });
  }
  template <int lanes> DEVICE void fetchCodes(u32 to, const u8 *from, const u8 *scales, int live, int lane) {
    constexpr int count = storedPart / 16;
#pragma unroll
    for (int i = 0; i < count; i += lanes) {
      if (i + lanes > count && i + lane >= count)
        break;
      copyAsync16(to + i * 16, from + i * 16, live > 0);
      copyAsync16(to + storedPart + i * 16, from + Shape::kvHeads * storedPart + i * 16, live > 0);
    }
    if (lane < 8) // of 4 tokens: the keys' first, then the values'
      copyAsyncPart(to + 2 * storedPart, scales + (lane >= 4 ? (Shape::kvHeads - 1) * scaleBytes : 0),
                    min(max(live - lane % 4 * 4, 0), 4) * 4);
  }
  DEVICE void widen(u32 at, const Words2 &x) {
    storeShared16(at, {Kv::asF16(x.x, 0), Kv::asF16(x.x, 1), Kv::asF16(x.y, 0), Kv::asF16(x.y, 1)});
  }
  DEVICE void narrow(u32 at, const Words4 &x) {
    auto pair = [](u32 x) { return packFiniteF16(lowBf16(x), highBf16(x)); };
    storeShared16(at, {pair(x.x), pair(x.y), pair(x.z), pair(x.w)});
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
  float unit = 0; // of codes, a power of two: the sums are relative to it until finish()

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

  /// Scores of the 16 keys of the page at `tile`: keys 8n + 2t, + 1 for row g, then for row g + 8. `scales`: of the keys.
  template <int parked>
  DEVICE void score(float (&scores)[blocks][2][4], const QueryRows<Shape, parked> (&query)[blocks], u32 tile, u32 scales) {
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
    if constexpr (Context<Shape>::scaled) {
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        const Words2 bits = loadShared8(scales + n * 32 + lane % 4 * 8);
        const float by[2] = {Shape::Kv::kUnit * __uint_as_float(bits.x), Shape::Kv::kUnit * __uint_as_float(bits.y)};
#pragma unroll
        for (int i = 0; i < 4 * blocks; ++i)
          scores[i / 4][n][i % 4] *= by[i % 2];
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

  /// Takes in `pages` pages whose scores are known and that lie one after another from `tile` on. `scales`: of the first
  /// one's values; those of the others are where they were stored.
  template <int pages> METHOD void add(float (&scores)[pages][blocks][2][4], u32 tile, u32 scales) {
    rescale<pages>(scores);
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int page = 0; page < pages; ++page) {
      u32 weights[blocks][4];
      float factors[2][2] = {};
      if constexpr (Context<Shape>::scaled)
        unitFactors(factors, scales + page * Context<Shape>::storedBytes);
#pragma unroll
      for (int block = 0; block < blocks; ++block)
        weigh(weights[block], scores[page][block], factors, largest[block], total[block]);
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

  /// Makes `total` the row's, and the sums what they are called.
  METHOD void finish() {
#pragma unroll
    for (int i = 0; i < 2 * blocks; ++i) {
      float &sum = total[i / 2][i % 2];
      sum += __shfl_xor_sync(kWholeWarp, sum, 1);
      sum += __shfl_xor_sync(kWholeWarp, sum, 2);
    }
    if constexpr (Context<Shape>::scaled)
      multiplySums(unit * Shape::Kv::kUnit);
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
  METHOD void multiplySums(float factor) {
#pragma unroll
    for (int i = 0; i < blocks * (Shape::dim / 8) * 4; ++i)
      sums[i / (Shape::dim / 2)][i / 4 % (Shape::dim / 8)][i % 4] *= factor;
  }
  /// Factors of the weights of a page: the scales of its values, divided by `unit` so that weights of f16 lose nothing
  /// whatever the scales are. The unit is at least twice the largest of them so far and seldom changes.
  METHOD void unitFactors(float (&factors)[2][2], u32 scales) {
    const u32 at = scales + threadIdx.x % 4 * 8;
    float most = 0;
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const Words2 bits = loadShared8(at + n * 32);
      factors[n][0] = __uint_as_float(bits.x), factors[n][1] = __uint_as_float(bits.y);
      most = fmaxf(most, fmaxf(factors[n][0], factors[n][1]));
    }
    most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, 1));
    most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, 2));
    if (most > unit) { // in all lanes alike
      const float next = __uint_as_float((__float_as_uint(most) & 0x7f800000u) + 0x01000000u);
      multiplySums(unit / next);
      unit = next;
    }
    const float inverse = __uint_as_float(0x7f000000u - __float_as_uint(unit)); // exact
#pragma unroll
    for (int i = 0; i < 4; ++i)
      factors[i / 2][i % 2] *= inverse;
  }
  /// Scores to weights, which become the first factor of products.
  DEVICE void weigh(u32 (&weights)[4], float (&scores)[2][4], const float (&factors)[2][2], const float (&largest)[2],
                    float (&total)[2]) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float weight = exp2Fast(scores[i / 4][i % 4] - largest[i / 2 % 2]);
      scores[i / 4][i % 4] = Context<Shape>::scaled ? weight * factors[i / 4][i % 2] : weight;
      total[i / 2 % 2] += weight;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
      weights[i] = packF16(scores[i / 2][i % 2 * 2], scores[i / 2][i % 2 * 2 + 1]);
  }
};
