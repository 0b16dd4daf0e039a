// Products of many tokens, limited by computing: tiles of x and of packed weights pass through a ring in shared memory.
#pragma once

/// Starts to copy one step of the block's panels by all threads: a panel's bytes of a step lie together.
template <typename P> DEVICE void copyWeights(u8 *to, const u8 *weights, int firstPanel, int step) {
  using S = Sizes<P>;
  constexpr int kStepBytes = P::kStageBlocks * P::Layout::kBytes, kPieces = kStepBytes / 16,
                kAll = S::kPanels * kPieces;
#pragma unroll
  for (int first = 0; first < kAll; first += S::kThreads) {
    const int i = first + static_cast<int>(threadIdx.x);
    if (kAll % S::kThreads != 0 && i >= kAll)
      break;
    const int panel = i / kPieces, at = i % kPieces * 16;
    const i64 offset = static_cast<i64>(step) * kStepBytes + at;
    const bool exists = offset < S::kCodeBytes && firstPanel + panel < S::kAllPanels;
    copyAsyncPart(to + panel * kStepBytes + at, weights + (firstPanel + panel) * S::kPanelBytes + offset,
                  exists ? 16 : 0);
  }
}

/// Sums of panels [firstPanel, ...) for tokens [firstToken, ...), left in shared memory for sumOf(). Where blocks share K,
/// each takes every kSplits-th step.
template <typename P>
DEVICE void tileProduct(u8 *shared, const u8 *x, const u8 *weights, int rows, int firstToken, int firstPanel) {
  using S = Sizes<P>;
  using Layout = typename P::Layout;
  static_assert(P::kKWarps == 1, "the warps of a block share its tile");
  constexpr int kStepBytes = P::kStageBlocks * Layout::kBytes, kWeightBytes = S::kPanels * kStepBytes;
  constexpr int kStageBytes = kWeightBytes + S::kXBytes;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int rowWarp = warp % P::kRowWarps, tokenWarp = warp / P::kRowWarps;
  const int split = P::kSplits > 1 ? static_cast<int>(blockIdx.y) : 0;
  const int steps = (S::kSteps - split + P::kSplits - 1) / P::kSplits; // of this block
  auto start = [&](int number) {
    const int step = number * P::kSplits + split;
    if (step < S::kSteps) {
      u8 *stage = shared + number % P::kStages * kStageBytes;
      copyWeights<P>(stage, weights, firstPanel, step);
      copyX<P, S::kThreads>(stage + kWeightBytes, x, rows, firstToken, step, threadIdx.x);
    }
    commitCopies();
  };
#pragma unroll
  for (int step = 0; step < P::kStages - 1; ++step)
    start(step);
  float sums[P::kPanels][P::kTiles][4] = {};
#pragma unroll 1
  for (int step = 0; step < (P::kSplits > 1 ? steps : S::kSteps); ++step) {
    waitCopies<P::kStages - 2>();
    __syncthreads(); // this step has arrived for all threads, and all have read the one before
    start(step + P::kStages - 1);
    const u8 *stage = shared + step % P::kStages * kStageBytes;
    const u8 *columns = stage + kWeightBytes + tokenWarp * P::kTiles * 8 * S::kXRow;
#pragma unroll 1
    for (int k = 0; k < S::kCols / 32; ++k) {
      StepOfX<Layout, P::kTiles> now;
      StepOfX<Layout, P::kTiles>::load(now, columns + k * 64, S::kXRow, lane);
      const u8 *blocks = stage + rowWarp * P::kPanels * kStepBytes + k * 32 / Layout::kCols * Layout::kBytes;
#pragma unroll
      for (int panel = 0; panel < P::kPanels; ++panel) {
        Held<Layout> held[kUnitBlocks<Layout>];
        Held<Layout>::loadGroup(held, blocks + panel * kStepBytes, k % (kUnitCols<Layout> / 32), lane);
        addGroup<Layout, P::kTiles, 1>(sums[panel], held, 0, now);
      }
    }
  }
  waitCopies<0>();
  __syncthreads(); // the ring becomes the sums
  keepSums<P>(shared, sums, 0, rowWarp, tokenWarp, lane);
  __syncthreads();
}
