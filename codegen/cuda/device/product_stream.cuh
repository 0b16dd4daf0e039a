// Products of few tokens, limited by reading the weights: every byte goes once from memory to registers.
#pragma once

/// One warp's part of a product: steps of kHeld superblocks along K, in turn with all warps that share K, the block's and
/// those of its kSplits - 1 neighbours. Registers
/// whose superblocks have been used are filled from the warp's next step at once, so that all but one unit of
/// kPanels * kHeld superblocks are on their way at any time. x goes through a ring of each warp.
template <typename P> struct Stream {
  using S = Sizes<P>;
  using Layout = typename P::Layout;
  // Superblocks of one turn of multiplyUnits(): a loop over two groups keeps the compiler from unpacking more at once.
  static constexpr int kUnit = Layout::kCols == 32 && P::kStageBlocks % 2 == 0 ? 2 : kUnitBlocks<Layout>;
  static constexpr int kStagesOfStep = P::kHeld / P::kStageBlocks;
  static constexpr int kStride = P::kSplits * P::kKWarps * P::kHeld; // superblocks from a warp's step to its next
  static_assert(P::kRowWarps == 1 && P::kTokenWarps == 1, "the warps of a block share K");
  static_assert(P::kHeld % P::kStageBlocks == 0 && P::kStageBlocks % kUnit == 0, "a step is whole stages");

  const u8 *x, *weights;
  u8 *ring;
  int rows, firstPanel, lane, filled, read;
  Held<Layout> held[P::kPanels][P::kHeld];
  float sums[P::kPanels][P::kTiles][4];

  /// Superblocks [kFirst, kFirst + kUnit) of the step that starts at `block`, of every panel, to registers; zeros where
  /// they do not exist.
  template <int kFirst> __device__ __forceinline__ void hold(int block) {
    if (block >= S::kBlocks)
      return; // a step that does not exist: nothing will use it
#pragma unroll
    for (int i = kFirst; i < kFirst + kUnit; ++i)
#pragma unroll
      for (int panel = 0; panel < P::kPanels; ++panel) {
        const bool exists = (S::kBlocks % P::kHeld == 0 || block + i < S::kBlocks) &&
                            (S::kAllPanels % P::kPanels == 0 || firstPanel + panel < S::kAllPanels);
        if (exists)
          held[panel][i] = Held<Layout>::stream(
              weights + (firstPanel + panel) * S::kPanelBytes + static_cast<i64>(block + i) * Layout::kBytes, lane);
        else
          held[panel][i] = Held<Layout>::zero();
      }
  }

  /// Starts to copy x of stage `n`, counted from the step that starts at `block`, to the slot after the last filled
  /// one.
  __device__ __forceinline__ void fill(int block, int n) {
    const int stage = (block + n / kStagesOfStep * kStride) / P::kStageBlocks + n % kStagesOfStep;
    if (stage < S::kSteps)
      copyX<P, 32>(ring + filled * S::kXBytes, x, rows, 0, stage, lane);
    commitCopies();
    filled = filled + 1 < P::kStages ? filled + 1 : 0;
  }

  // Units and stages of a step. Their numbers are constants, not counters of loops, so that `held` stays in registers
  // however long their code is.

  template <int kFirst, int kEnd> __device__ __forceinline__ void multiplyUnits(const u8 *columns, int block) {
    if constexpr (kFirst < kEnd) {
#pragma unroll 1
      for (int k = 0; k < kUnit * Layout::kCols / 32; ++k) {
        StepOfX<Layout, P::kTiles> now;
        StepOfX<Layout, P::kTiles>::load(now, columns + k * 64, S::kXRow, lane);
#pragma unroll
        for (int panel = 0; panel < P::kPanels; ++panel)
          addGroup<Layout, P::kTiles, kUnit>(sums[panel], held[panel] + kFirst, k, now);
      }
      hold<kFirst>(block + kStride);
      multiplyUnits<kFirst + kUnit, kEnd>(columns + kUnit * Layout::kCols * 2, block);
    }
  }
  template <int kStage = 0> __device__ __forceinline__ void multiplyStages(int block) {
    if constexpr (kStage < kStagesOfStep) {
      waitCopies<P::kStages - 2>();
      __syncwarp(); // the copies of all lanes have arrived, and all have read the stage before
      fill(block, kStage + P::kStages - 1);
      const u8 *columns = ring + read * S::kXBytes;
      read = read + 1 < P::kStages ? read + 1 : 0;
      // Nothing was copied for stages past the end; only a last step has them.
      if (S::kBlocks % P::kHeld == 0 || block + kStage * P::kStageBlocks < S::kBlocks)
        multiplyUnits<kStage * P::kStageBlocks, (kStage + 1) * P::kStageBlocks>(columns, block);
      multiplyStages<kStage + 1>(block);
    }
  }
  template <int kFirst = 0> __device__ __forceinline__ void holdFirst(int block) {
    if constexpr (kFirst < P::kHeld) {
      hold<kFirst>(block);
      holdFirst<kFirst + kUnit>(block);
    }
  }

  /// Where this warp's first step starts.
  __device__ __forceinline__ int firstBlock() const {
    const int warp = threadIdx.x / 32;
    return (P::kSplits > 1 ? static_cast<int>(blockIdx.y) * P::kKWarps + warp : warp) * P::kHeld;
  }
  /// Starts to load the first weights. `weights`: of all panels.
  __device__ __forceinline__ void begin(u8 *shared, const u8 *weightsOfAll, int panel) {
    const int warp = threadIdx.x / 32;
    lane = threadIdx.x % 32, filled = read = 0;
    weights = weightsOfAll, firstPanel = panel, ring = shared + warp * P::kStages * S::kXBytes;
    holdFirst(firstBlock());
  }
  /// Sums of the block's panels for all tokens (at most 8 * kTiles), left in shared memory for sumOf().
  __device__ __forceinline__ void finish(u8 *shared, const u8 *rowsOfX, int count) {
    const int warp = threadIdx.x / 32;
    x = rowsOfX, rows = count;
#pragma unroll
    for (int n = 0; n < P::kStages - 1; ++n)
      fill(firstBlock(), n);
#pragma unroll
    for (int i = 0; i < P::kPanels * P::kTiles * 4; ++i)
      sums[i / (P::kTiles * 4)][i / 4 % P::kTiles][i % 4] = 0.0f;
#pragma unroll 1
    for (int block = firstBlock(); block < S::kBlocks; block += kStride)
      multiplyStages(block);
    waitCopies<0>();
    __syncthreads(); // the ring becomes the sums
    keepSums<P>(shared, sums, warp, 0, 0, lane);
    __syncthreads();
  }
};
