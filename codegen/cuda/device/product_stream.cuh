// Products of few tokens, limited by reading the weights: every byte goes once from memory to registers.
#pragma once

/// Superblocks [firstBlock + i, ...) of a unit, of every panel, to registers; zeros where they do not exist.
template <typename P>
DEVICE void hold(Held<typename P::Layout> (&held)[P::kPanels][P::kHeld], int i, const u8 *weights, int firstPanel,
                 int firstBlock, int lane) {
  using S = Sizes<P>;
  using Layout = typename P::Layout;
  if (firstBlock >= S::kBlocks)
    return; // a step that does not exist: nothing will use it
#pragma unroll
  for (int j = i; j < i + kUnitBlocks<Layout>; ++j)
#pragma unroll
    for (int panel = 0; panel < P::kPanels; ++panel) {
      const bool exists = (S::kBlocks % P::kHeld == 0 || firstBlock + j < S::kBlocks) &&
                          (S::kAllPanels % P::kPanels == 0 || firstPanel + panel < S::kAllPanels);
      if (exists)
        held[panel][j] = Held<Layout>::stream(
            weights + (firstPanel + panel) * S::kPanelBytes + static_cast<i64>(firstBlock + j) * Layout::kBytes, lane);
      else
        held[panel][j] = Held<Layout>::zero();
    }
}

/// Sums of panels [firstPanel, ...) for all tokens (at most 8 * kTiles), left in shared memory for sumOf(). Warps take
/// steps of kHeld superblocks along K in turn. Registers whose superblocks have been used are filled from the warp's
/// next step at once, so that all but one unit of kPanels * kHeld superblocks are on their way at any time. x goes
/// through a ring of each warp.
template <typename P> DEVICE void streamProduct(u8 *shared, const u8 *x, const u8 *weights, int rows, int firstPanel) {
  using S = Sizes<P>;
  using Layout = typename P::Layout;
  static_assert(P::kRowWarps == 1 && P::kTokenWarps == 1, "the warps of a block share K");
  static_assert(P::kHeld % P::kStageBlocks == 0 && P::kStageBlocks % kUnitBlocks<Layout> == 0,
                "a step is whole stages");
  constexpr int kUnit = kUnitBlocks<Layout>, kStagesOfStep = P::kHeld / P::kStageBlocks;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u8 *ring = shared + warp * P::kStages * S::kXBytes;
  // Stage `n` of this warp, counted from its step `block` on, into the slot after the last one filled.
  int filled = 0;
  auto fill = [&](int block, int n) {
    const int stage = (block + n / kStagesOfStep * P::kKWarps * P::kHeld) / P::kStageBlocks + n % kStagesOfStep;
    if (stage < S::kSteps)
      copyX<P, 32>(ring + filled * S::kXBytes, x, rows, 0, stage, lane);
    commitCopies();
    filled = filled + 1 < P::kStages ? filled + 1 : 0;
  };
  Held<Layout> held[P::kPanels][P::kHeld];
#pragma unroll
  for (int i = 0; i < P::kHeld; i += kUnit)
    hold<P>(held, i, weights, firstPanel, warp * P::kHeld, lane);
#pragma unroll
  for (int n = 0; n < P::kStages - 1; ++n)
    fill(warp * P::kHeld, n);
  float sums[P::kPanels][P::kTiles][4] = {};
  int slot = 0;
#pragma unroll 1
  for (int block = warp * P::kHeld; block < S::kBlocks; block += P::kKWarps * P::kHeld) {
#pragma unroll
    for (int n = 0; n < kStagesOfStep; ++n) {
      waitCopies<P::kStages - 2>();
      __syncwarp(); // the copies of all lanes have arrived, and all have read the stage before
      fill(block, n + P::kStages - 1);
      const u8 *columns = ring + slot * S::kXBytes;
      slot = slot + 1 < P::kStages ? slot + 1 : 0;
#pragma unroll
      for (int i = 0; i < P::kStageBlocks; i += kUnit) {
#pragma unroll 1
        for (int k = 0; k < kUnitCols<Layout> / 32; ++k) {
          StepOfX<Layout, P::kTiles> now;
          StepOfX<Layout, P::kTiles>::load(now, columns + (i * Layout::kCols + k * 32) * 2, S::kXRow, lane);
#pragma unroll
          for (int panel = 0; panel < P::kPanels; ++panel)
            addGroup<Layout, P::kTiles>(sums[panel], held[panel] + n * P::kStageBlocks + i, k, now);
        }
        hold<P>(held, n * P::kStageBlocks + i, weights, firstPanel, block + P::kKWarps * P::kHeld, lane);
      }
    }
  }
  waitCopies<0>();
  __syncthreads(); // the ring becomes the sums
  keepSums<P>(shared, sums, warp, 0, 0, lane);
  __syncthreads();
}
