// Products of many tokens on Hopper: one warpgroup copies, two multiply fragments in registers with tiles of x in shared
// memory. They meet at barriers of a ring only, and a block goes on with other tiles: copies of the next tile are under
// way while sums of the last one are written.
//
// Of the configuration, rows are those of one product of 64: kRowWarps = 4; a multiplying warpgroup has kHalves of them,
// kGroups share the tokens. kCluster blocks with neighbouring tokens share the weights: each copies a part of every stage
// to all of them.
#pragma once

/// Values of a lane's codes of one step, rounded to bf16: in f32 scale * q + min, of rows g and g+8.
DEVICE Fragment valuesInBf16(const Fragment &codes, u32 scales, u32 mins) {
  const float scale[2] = {lowF16(scales), highF16(scales)}, min[2] = {lowF16(mins), highF16(mins)};
  Fragment r;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    r.pair[i] = packBf16(fmaf(scale[i % 2], lowBf16(codes.pair[i]), min[i % 2]),
                         fmaf(scale[i % 2], highBf16(codes.pair[i]), min[i % 2]));
  return r;
}

/// Shared memory of a block: the ring, sums of kSumTokens tokens of each multiplying warpgroup, barriers. A stage has 64
/// columns: tiles of x, and of each panel its superblocks, or of a superblock of 128 one run of codes and its scales.
template <typename P> struct WarpgroupRing {
  using S = Sizes<P>;
  using Layout = typename P::Layout;
  static constexpr bool kWide = Layout::kCols == 128;
  static constexpr int kPanels = P::kRowWarps * P::kHalves * P::kGroups; // of the block
  static constexpr int kCopiedPanels = kPanels / P::kCluster;            // by the block, for all of the cluster
  static constexpr int kStepBytes = kWide ? 512 + 64 : P::kStageBlocks * Layout::kBytes;
  static constexpr int kWeightBytes = (kPanels * kStepBytes + 1023) / 1024 * 1024;
  static constexpr int kXBytes = S::kTokens * 128, kStageBytes = kXBytes + kWeightBytes;
  static constexpr int kSteps = (P::kK + 63) / 64;
  static constexpr int kSumTokens = 64, kSumBytes = kSumTokens * S::kSumRow * 4;
  static constexpr int kSumsAt = P::kStages * kStageBytes, kBarriersAt = kSumsAt + P::kGroups * kSumBytes;
  static constexpr int kCopying = 128, kThreads = kCopying + P::kGroups * 128;
  static_assert(kWide || (Layout::kGroups == 0 && Layout::kCols == 16), "weights without scales, or one for 128");
  static_assert(P::kPanels == 1 && P::kTokenWarps == 1 && P::kKWarps == 1 && P::kRowWarps == 4, "one warpgroup");
  static_assert(P::kTiles % 16 == 0 && kStageBytes % 1024 == 0, "x lies as the swizzle wants it");
  static_assert(kPanels % P::kCluster == 0, "blocks of a cluster share out the panels");

  /// All copies of a stage have arrived: 4 warps that copied x, and the thread that says how many bytes of weights come.
  DEVICE u32 full(const u8 *shared, int slot) { return sharedAddress(shared + kBarriersAt) + slot * 8; }
  /// All multiplying warps have done with a stage; in a cluster those of all blocks, since each copies to all.
  DEVICE u32 empty(const u8 *shared, int slot) { return full(shared, P::kStages + slot); }
  /// To be called by all threads, once.
  DEVICE void start(const u8 *shared) {
    if (threadIdx.x == 0) {
      for (int slot = 0; slot < P::kStages; ++slot)
        initBarrier(full(shared, slot), 5), initBarrier(empty(shared, slot), P::kCluster * P::kGroups * 4);
      showBarriers();
    }
    if constexpr (P::kCluster > 1)
      meetCluster(); // others arrive at these barriers, and copy to this block
    else
      __syncthreads();
  }
  DEVICE void waitEmpty(const u8 *shared, int slot, u32 parity) {
    if constexpr (P::kCluster > 1)
      waitPhaseOfCluster(empty(shared, slot), parity);
    else
      waitPhase(empty(shared, slot), parity);
  }
};

/// Tiles of a block: clusters take as many as they have blocks, neighbours in tokens, in turn. Neighbouring clusters share
/// rows and differ in tokens, too, so that a weight is read from memory once. A block whose tokens do not exist works
/// for the others of its cluster.
template <typename P> struct WarpgroupTiles {
  using S = Sizes<P>;
  using R = WarpgroupRing<P>;
  int tokenTiles, tile, all, step, rank;

  DEVICE WarpgroupTiles of(int rows) {
    constexpr int kTokens = S::kTokens * P::kCluster;
    WarpgroupTiles r;
    r.tokenTiles = (rows + kTokens - 1) / kTokens;
    r.all = r.tokenTiles * ((S::kAllPanels + R::kPanels - 1) / R::kPanels);
    r.tile = static_cast<int>(blockIdx.x) / P::kCluster, r.step = static_cast<int>(gridDim.x) / P::kCluster;
    r.rank = P::kCluster > 1 ? static_cast<int>(clusterRank()) : 0;
    return r;
  }
  __device__ __forceinline__ bool more() const { return tile < all; }
  __device__ __forceinline__ void next() { tile += step; }
  __device__ __forceinline__ int firstToken() const { return (tile % tokenTiles * P::kCluster + rank) * S::kTokens; }
  __device__ __forceinline__ int firstPanel() const { return tile / tokenTiles * R::kPanels; }
};

/// The first warpgroup: fills the ring.
template <typename P> struct WarpgroupCopies {
  using S = Sizes<P>;
  using R = WarpgroupRing<P>;
  using Layout = typename P::Layout;
  /// Stages of x under way, at most. The oldest is passed on before the ring may make this warpgroup wait.
  static constexpr int kUnderWay = 2;

  u8 *shared;
  const u8 *x, *weights;
  int rows, thread, rank; ///< rank: of the block in its cluster
  RingPlace<P::kStages> filled, arrived;

  DEVICE WarpgroupCopies of(u8 *shared, const u8 *x, const u8 *weights, int rows) {
    return {shared, x, weights, rows, static_cast<int>(threadIdx.x), 0, {}, {}};
  }
  DEVICE void copy(u32 to, const u8 *from, u32 bytes, u32 barrier) {
    if constexpr (P::kCluster > 1)
      copyBulkToBlocks(to, from, bytes, barrier, (1 << P::kCluster) - 1);
    else
      copyBulk(to, from, bytes, barrier);
  }
  /// Copies of weights by the engine, a lane of the first warp a panel; a stage is full when those of all blocks of the
  /// cluster have arrived. Panels and superblocks that do not exist are the last ones again: what they are multiplied with
  /// is zero, or nobody reads the sums.
  __device__ __forceinline__ void copyPanels(u8 *stage, int firstPanel, int step, u32 barrier) {
    if (thread == 0)
      arriveExpecting(barrier, R::kPanels * R::kStepBytes);
    if (thread >= R::kCopiedPanels)
      return;
    const int number = rank * R::kCopiedPanels + thread;
    const u8 *panel = weights + min(firstPanel + number, S::kAllPanels - 1) * S::kPanelBytes;
    const u32 to = sharedAddress(stage + R::kXBytes) + number * R::kStepBytes;
    if constexpr (R::kWide) {
      const u8 *block = panel + static_cast<i64>(step / 2) * Layout::kBytes;
      copy(to, block + step % 2 * 512, 512, barrier);
      copy(to + 512, block + 1024, 64, barrier);
    } else if (S::kBlocks % P::kStageBlocks == 0 || step < S::kBlocks / P::kStageBlocks) {
      copy(to, panel + static_cast<i64>(step) * R::kStepBytes, R::kStepBytes, barrier);
    } else {
      for (int i = 0; i < P::kStageBlocks; ++i)
        copy(to + i * Layout::kBytes,
             panel + static_cast<i64>(min(step * P::kStageBlocks + i, S::kBlocks - 1)) * Layout::kBytes, Layout::kBytes,
             barrier);
    }
  }
  /// 64 columns of every token: 8 pieces of 16 bytes, exchanged within their 128 bytes by the token's number.
  __device__ __forceinline__ void copySwizzled(u8 *to, int firstToken, int step) {
    const int piece = thread % 8, token0 = thread / 8, col = step * 64 + piece * 8;
    int left = 16;
    if constexpr (P::kK % 64 != 0)
      left = max(0, min((P::kK - col) * 2, 16));
    const u8 *from = x + static_cast<i64>(firstToken + token0) * P::kXStride + col * 2;
#pragma unroll
    for (int token = 0; token < S::kTokens; token += R::kCopying / 8)
      copyAsyncPart(to + (token + token0) * 128 + (piece ^ token0 % 8) * 16, from + token * P::kXStride,
                    firstToken + token + token0 < rows ? left : 0);
  }
  /// Passes on the oldest stage of x; kYounger may be under way.
  template <int kYounger> __device__ __forceinline__ void passOn() {
    waitCopies<kYounger>();
    showToAsyncProxy();
    __syncwarp();
    if (thread % 32 == 0)
      arrive(R::full(shared, arrived.slot));
    arrived.next();
  }
  __device__ __forceinline__ void run() {
    int under = 0; // stages of x under way
    WarpgroupTiles<P> tiles = WarpgroupTiles<P>::of(rows);
    rank = tiles.rank;
#pragma unroll 1
    for (; tiles.more(); tiles.next()) {
      const int firstToken = tiles.firstToken(), firstPanel = tiles.firstPanel();
#pragma unroll 1
      for (int step = 0; step < R::kSteps; ++step) {
        if (under == kUnderWay)
          passOn<kUnderWay - 1>(), --under;
        u8 *const stage = shared + filled.slot * R::kStageBytes;
        R::waitEmpty(shared, filled.slot, filled.parity ^ 1);
        if (thread < 32)
          copyPanels(stage, firstPanel, step, R::full(shared, filled.slot));
        copySwizzled(stage, firstToken, step);
        commitCopies();
        filled.next();
        ++under;
      }
    }
#pragma unroll 1
    for (; under > 0; --under)
      passOn<0>();
    // Others still arrive at this block's barriers: it must not end before.
    if constexpr (P::kCluster > 1)
#pragma unroll 1
      for (int slot = 0; slot < P::kStages; ++slot, filled.next())
        R::waitEmpty(shared, filled.slot, filled.parity ^ 1);
  }
};

/// One of the other warpgroups: kHalves times 64 rows, and all tokens of a tile.
template <typename P> struct WarpgroupProducts {
  using S = Sizes<P>;
  using R = WarpgroupRing<P>;
  using Layout = typename P::Layout;
  static constexpr int kProducts = P::kTiles / 16; // of 128 tokens each
  /// Sums leave the registers part by part: first those of all tokens of the first 64 rows.
  static constexpr int kTokenParts = S::kTokens / R::kSumTokens, kParts = P::kHalves * kTokenParts;

  u8 *shared;
  int group, thread; ///< which warpgroup; thread of it
  RingPlace<P::kStages> ready, read;
  float sums[P::kHalves * P::kTiles][4];

  DEVICE WarpgroupProducts of(u8 *shared) {
    WarpgroupProducts r;
    r.shared = shared;
    // From a shuffle, so that the compiler knows it to be one for the warp.
    r.group = __shfl_sync(~0u, static_cast<int>(threadIdx.x) / 128, 0) - 1, r.thread = threadIdx.x % 128;
    return r;
  }
  __device__ __forceinline__ const u8 *keptSums() const { return shared + R::kSumsAt + group * R::kSumBytes; }

  /// The four fragments of a stage, from this warp's panel of one half.
  __device__ __forceinline__ void loadFragments(Fragment (&a)[4], Fragment (&rest)[4], const u8 *stage, int half) {
    const int lane = thread % 32;
    const u8 *const panel = stage + R::kXBytes + ((group * P::kHalves + half) * 4 + thread / 32) * R::kStepBytes;
    if constexpr (R::kWide) {
      const Words4 words = *reinterpret_cast<const Words4 *>(panel + lane * 16);
      const u32 codes[4] = {words.x, words.y, words.z, words.w};
      const Words2 scales = *reinterpret_cast<const Words2 *>(panel + 512 + lane / 4 * 8);
#pragma unroll
      for (int k = 0; k < 4; ++k)
        a[k] = valuesInBf16(Layout::fragment(codes, k), scales.x, scales.y);
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const Words4 words = *reinterpret_cast<const Words4 *>(panel + k * Layout::kBytes + lane * 16);
        const u32 codes[4] = {words.x, words.y, words.z, words.w};
        a[k] = Layout::fragment(codes, 0);
        if constexpr (Layout::kRest)
          rest[k] = Layout::rest(codes);
      }
    }
  }
  /// This warp has done with the oldest stage, if there is one: its fragments are in registers, its products are done.
  __device__ __forceinline__ void giveBack(bool any) {
    if constexpr (P::kCluster > 1)
#pragma unroll
      for (int rank = 0; rank < P::kCluster; ++rank)
        arriveInBlockIf(thread % 32 == 0 && any, R::empty(shared, read.slot), rank);
    else
      arriveIf(thread % 32 == 0 && any, R::empty(shared, read.slot));
    if (any)
      read.next();
  }
  /// The products of 64 rows in one step.
  template <int kHalf>
  __device__ __forceinline__ void multiplyRows(const u8 *stage, Fragment (&a)[4], Fragment (&rest)[4]) {
    loadFragments(a, rest, stage, kHalf);
    beginProducts();
#pragma unroll
    for (int k = 0; k < 4; ++k)
#pragma unroll
      for (int part = 0; part < kProducts; ++part) {
        const u64 tile = describeTile(stage + part * (128 * 128) + k * 32);
        float(*const to)[4] = sums + kHalf * P::kTiles + part * 16;
        multiplyWarpgroup<kIsE4m3<Layout>>(to, a[k], tile);
        if constexpr (Layout::kRest)
          multiplyWarpgroup<false>(to, rest[k], tile);
      }
    commitProducts();
    waitProducts<1>();
  }
  /// One step of 64 rows, its fragments in `a`: those of the step before are still being read.
  __device__ __forceinline__ void multiply(int step, Fragment (&a)[4], Fragment (&rest)[4]) {
    const u8 *const stage = shared + ready.slot * R::kStageBytes;
    waitPhase(R::full(shared, ready.slot), ready.parity);
    ready.next();
    multiplyRows<0>(stage, a, rest);
    giveBack(step > 0);
    __syncwarp(); // all lanes have read this stage, which the next step gives back
  }
  /// One step of 128 rows: while fragments of one half are being read, those of the other are loaded.
  __device__ __forceinline__ void multiplyBoth(int step, Fragment (&a)[4], Fragment (&aRest)[4], Fragment (&b)[4],
                                               Fragment (&bRest)[4]) {
    const u8 *const stage = shared + ready.slot * R::kStageBytes;
    waitPhase(R::full(shared, ready.slot), ready.parity);
    ready.next();
    multiplyRows<0>(stage, a, aRest);
    giveBack(step > 0);
    multiplyRows<1>(stage, b, bRest);
    __syncwarp(); // all lanes have read this stage, which the next step gives back
  }
  /// All steps of a tile.
  __device__ __forceinline__ void run() {
#pragma unroll
    for (int i = 0; i < P::kHalves * P::kTiles * 4; ++i)
      sums[i / 4][i % 4] = 0.0f;
    Fragment even[4], odd[4], evenRest[4], oddRest[4];
    if constexpr (P::kHalves == 2) {
#pragma unroll 1
      for (int step = 0; step < R::kSteps; ++step)
        multiplyBoth(step, even, evenRest, odd, oddRest);
    } else {
      // A step alone goes first: after the loop, ptxas would let it wait for all products.
      if constexpr (R::kSteps % 2 == 1)
        multiply(0, odd, oddRest);
#pragma unroll 1
      for (int step = R::kSteps % 2; step < R::kSteps; step += 2) {
        multiply(step, even, evenRest);
        multiply(step + 1, odd, oddRest);
      }
    }
    waitProducts<0>();
    giveBack(true);
    // Only now are the sums there: nothing that reads them may move before the wait.
#pragma unroll
    for (int i = 0; i < P::kHalves * P::kTiles * 4; ++i)
      asm volatile("" : "+f"(sums[i / 4][i % 4])::"memory");
  }
  /// First row, in panels, and first token of a part, from the block's first ones on.
  __device__ __forceinline__ int panelOf(int part) const { return (group * P::kHalves + part / kTokenParts) * 4; }
  __device__ __forceinline__ int tokenOf(int part) const { return part % kTokenParts * R::kSumTokens; }
  /// Leaves the sums of a part in this warpgroup's shared memory for sumOf(). The part's number may be a loop's variable:
  /// sums stay in registers.
  __device__ __forceinline__ void keepPart(int part) {
    meet<128>(1 + group); // the part before has been read
#pragma unroll
    for (int i = 0; i < kParts; ++i)
      if (i == part)
        keep(i);
    meet<128>(1 + group);
  }
  __device__ __forceinline__ void keep(int part) {
    const int lane = thread % 32;
    float *const to = reinterpret_cast<float *>(shared + R::kSumsAt + group * R::kSumBytes) +
                      lane % 4 * 2 * S::kSumRow + thread / 32 * 16 + lane / 4;
#pragma unroll
    for (int tile = 0; tile < R::kSumTokens / 8; ++tile)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        to[(tile * 8 + i % 2) * S::kSumRow + i / 2 * 8] = sums[part * (R::kSumTokens / 8) + tile][i];
  }
};
