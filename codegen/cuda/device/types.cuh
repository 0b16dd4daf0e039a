// Integer names, the batch as the runtime lays it out, and what every device function is declared with.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;

#define DEVICE static __device__ __forceinline__

/// Tokens of one page of the cache.
constexpr int kPageTokens = 16;

/// How a row is sampled, and what is done to a token's logit before (cuda_abi.h).
struct SampleRow {
  u64 seed, position;
  double topP;
  float minWeight, scale, repetition;
  i32 mode, topK, firstEdit, edits;
};
struct SampleEdit {
  i32 id;
  u32 flags;
  float subtract, bias;
};
constexpr int kSampleHost = 0, kSampleBest = 1;
constexpr u32 kEditSeen = 1, kEditForbidden = 2;
static_assert(sizeof(SampleRow) == 56 && sizeof(SampleEdit) == 16, "laid out as in cuda_abi.h");

/// One step's batch (kernel_abi.h). Lives in device memory; its pointers are device pointers.
struct Batch {
  i32 tokens, rows, sequences, blockStride;
  const i32 *tokenIds, *positions, *slots, *tokenSeq, *queryStarts, *contextLens, *blockTable, *sampleRows, *logitsWanted;
  const SampleRow *samples;
  const SampleEdit *edits;
  const float *lastTokens;
};
static_assert(sizeof(Batch) == 112, "the batch is laid out as in kernel_abi.h");

/// The id that `id` of Batch.tokenIds stands for: -1 - r is the token that row r of the step before got. Where that row
/// got none (-1) its result is thrown away, and any id in the table does.
DEVICE i32 tokenOf(const Batch *batch, i32 id) {
  constexpr int kRow = 16; // floats from one row of tokens to the next
  return id >= 0 ? id : max(0, (i32)batch->lastTokens[(i64)(-1 - id) * kRow]);
}

/// N neighbouring floats of a row.
template <int N> struct Vec {
  float v[N];
};
/// One of N numbers; `i` becomes a constant when the compiler has seen through the columns, and no memory is needed.
template <int N> DEVICE float pick(const Vec<N> &x, int i) {
  float r = x.v[0];
#pragma unroll
  for (int j = 1; j < N; ++j)
    r = i == j ? x.v[j] : r;
  return r;
}
