// Sums, maxima and the like over a warp and over a block, always in the same order.
#pragma once

constexpr u32 kWholeWarp = 0xffffffffu;

/// Every lane gets the sum of all 32.
DEVICE float warpSum(float x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    x += __shfl_xor_sync(kWholeWarp, x, distance);
  return x;
}
DEVICE float warpMax(float x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    x = fmaxf(x, __shfl_xor_sync(kWholeWarp, x, distance));
  return x;
}

/// Of two values; DEVICE makes members static.
struct Larger {
  DEVICE float warp(float x) { return warpMax(x); }
  DEVICE float of(float a, float b) { return fmaxf(a, b); }
};
struct Sum {
  DEVICE float warp(float x) { return warpSum(x); }
  DEVICE float of(float a, float b) { return a + b; }
};

/// Every thread gets what Op makes of all values of the block of kThreads (a multiple of 32). All threads must call it.
template <class Op, int kThreads, typename T> DEVICE T blockReduce(T x) {
  static_assert(kThreads % 32 == 0 && kThreads <= 1024, "a block is whole warps");
  x = Op::warp(x);
  if constexpr (kThreads == 32)
    return x;
  __shared__ T partial[kThreads / 32];
  __syncthreads(); // the last call's parts have been read
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = x;
  __syncthreads();
  T all = partial[0];
#pragma unroll
  for (int warp = 1; warp < kThreads / 32; ++warp)
    all = Op::of(all, partial[warp]);
  return all;
}
template <int kThreads> DEVICE float blockMax(float x) { return blockReduce<Larger, kThreads>(x); }
template <int kThreads> DEVICE float blockSum(float x) { return blockReduce<Sum, kThreads>(x); }
