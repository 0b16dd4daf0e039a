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

/// One step's batch (kernel_abi.h). Lives in device memory; its pointers are device pointers.
struct Batch {
  i32 tokens, rows, sequences, blockStride;
  const i32 *tokenIds, *positions, *slots, *tokenSeq, *queryStarts, *contextLens, *blockTable, *sampleRows, *logitsWanted;
};
static_assert(sizeof(Batch) == 88, "the batch is laid out as in kernel_abi.h");

/// N neighbouring floats of a row.
template <int N> struct Vec {
  float v[N];
};
