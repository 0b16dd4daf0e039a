// Products of few tokens and rows whose K several blocks share: the one that comes last adds all sums, in the order of
// the splits, so that a result does not depend on who that is.
#pragma once

template <typename P> struct Splits {
  using S = Sizes<P>;
  static constexpr int kRows = S::kPanels * 16, kSums = S::kTokens * kRows; // of a block
  static constexpr int kRowBlocks = (S::kAllPanels + S::kPanels - 1) / S::kPanels;
  static constexpr int kFloats = kRowBlocks * P::kSplits * kSums;

  /// By all threads of a block whose warps' sums are in shared memory. True in the last block of its rows: there sumsOf()
  /// has the sums of all splits. `parts`: kFloats; `arrived`: kRowBlocks zeros, which it leaves so.
  DEVICE bool join(u8 *shared, float *parts, u32 *arrived, int rows) {
    __shared__ u32 before;
    float *const first = parts + static_cast<int>(blockIdx.x) * P::kSplits * kSums;
    float *const own = first + static_cast<int>(blockIdx.y) * kSums;
    const int pieces = min(rows, S::kTokens) * (kRows / 4);
#pragma unroll 1
    for (int i = threadIdx.x; i < pieces; i += S::kThreads)
      store<F32, 4>(reinterpret_cast<u8 *>(own + i * 4),
                    sumsOf<P, 4, P::kKWarps>(shared, i / (kRows / 4), i % (kRows / 4) * 4));
    __syncthreads();
    if (threadIdx.x == 0) {
      // The block's sums are there before it counts as arrived; it has arrived before it reads those of others.
      deviceFence();
      before = atomicInc(arrived + blockIdx.x, P::kSplits - 1);
      deviceFence();
    }
    __syncthreads();
    if (before != P::kSplits - 1)
      return false;
#pragma unroll 1
    for (int i = threadIdx.x; i < pieces; i += S::kThreads) {
      const u8 *const from = reinterpret_cast<const u8 *>(first + i * 4);
      Vec<4> sum = load<F32, 4>(from);
#pragma unroll
      for (int split = 1; split < P::kSplits; ++split) {
        const Vec<4> other = load<F32, 4>(from + split * (kSums * 4));
#pragma unroll
        for (int j = 0; j < 4; ++j)
          sum.v[j] += other.v[j];
      }
      store<F32, 4>(shared + (i / (kRows / 4) * S::kSumRow + i % (kRows / 4) * 4) * 4, sum);
    }
    __syncthreads();
    return true;
  }
};
