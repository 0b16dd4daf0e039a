// Sums and maxima over a warp and over a block, always in the same order.
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

/// Every thread gets the largest of the block of kThreads (a multiple of 32). All threads must call it.
template <int kThreads> DEVICE float blockMax(float x) {
  x = warpMax(x);
  if constexpr (kThreads == 32)
    return x;
  __shared__ float partial[kThreads / 32];
  __syncthreads(); // the last call's maxima have been read
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = x;
  __syncthreads();
  float top = partial[0];
#pragma unroll
  for (int warp = 1; warp < kThreads / 32; ++warp)
    top = fmaxf(top, partial[warp]);
  return top;
}

/// Every thread gets the sum over the block of kThreads (a multiple of 32). All threads must call it.
template <int kThreads> DEVICE float blockSum(float x) {
  static_assert(kThreads % 32 == 0 && kThreads <= 1024, "a block is whole warps");
  x = warpSum(x);
  if constexpr (kThreads == 32)
    return x;
  __shared__ float partial[kThreads / 32];
  __syncthreads(); // the last call's sums have been read
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = x;
  __syncthreads();
  float sum = partial[0];
#pragma unroll
  for (int warp = 1; warp < kThreads / 32; ++warp)
    sum += partial[warp];
  return sum;
}
