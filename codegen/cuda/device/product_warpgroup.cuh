// Products of many tokens on Hopper: warpgroups multiply fragments in registers with tiles of x in shared memory.
#pragma once

/// d += a * b for 64 rows, 128 tokens, 16 columns of bf16 or 32 of e4m3; each warp of the warpgroup has 16 rows, as in
/// mma.sync. b: a tile of x in shared memory, 128 bytes a token, swizzled. Runs on its own until waitProducts().
template <bool kE4m3> DEVICE void multiplyWarpgroup(float (*d)[4], const Fragment &a, u64 b) {
#define LLMC_TILE(i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define LLMC_SUMS                                                                                                      \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                                            \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                                   \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                                   \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, %67}, %68, "
#define LLMC_OPERANDS                                                                                                  \
  : LLMC_TILE(0), LLMC_TILE(1), LLMC_TILE(2), LLMC_TILE(3), LLMC_TILE(4), LLMC_TILE(5), LLMC_TILE(6), LLMC_TILE(7),     \
    LLMC_TILE(8), LLMC_TILE(9), LLMC_TILE(10), LLMC_TILE(11), LLMC_TILE(12), LLMC_TILE(13), LLMC_TILE(14),             \
    LLMC_TILE(15)                                                                                                      \
  : "r"(a.pair[0]), "r"(a.pair[1]), "r"(a.pair[2]), "r"(a.pair[3]), "l"(b)                                             \
  : "memory"
  if constexpr (kE4m3)
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k32.f32.e4m3.e4m3 " LLMC_SUMS "1, 1, 1;" LLMC_OPERANDS);
  else
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " LLMC_SUMS "1, 1, 1, 0;" LLMC_OPERANDS);
#undef LLMC_OPERANDS
#undef LLMC_SUMS
#undef LLMC_TILE
}
DEVICE void beginProducts() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void commitProducts() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most N committed groups of products are under way.
template <int N> DEVICE void waitProducts() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }
/// What this thread wrote to shared memory may be read by the tensor cores after the next barrier.
DEVICE void showToTensorCores() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// Describes a tile of x to the tensor cores: rows of 128 bytes, groups of 8 rows 1024 bytes apart, 128-byte swizzle.
DEVICE u64 describeTile(const u8 *tile) {
  return static_cast<u64>(sharedAddress(tile) >> 4 & 0x3fffu) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

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

/// One block: its warps have 16 rows each and share all its tokens, a multiple of 128. A stage has 64 columns: of a
/// superblock of 128 one run of codes, and its scales.
template <typename P> struct Warpgroups {
  using S = Sizes<P>;
  using Layout = typename P::Layout;
  static constexpr bool kWide = Layout::kCols == 128;
  static constexpr int kStepBytes = kWide ? 512 + 64 : P::kStageBlocks * Layout::kBytes;
  static constexpr int kWeightBytes = (S::kPanels * kStepBytes + 1023) / 1024 * 1024;
  static constexpr int kXBytes = S::kTokens * 128, kStageBytes = kXBytes + kWeightBytes;
  static constexpr int kParts = P::kTiles / 16; // products of 128 tokens
  static constexpr int kSteps = (P::kK + 63) / 64;
  static_assert(kWide || (Layout::kGroups == 0 && Layout::kCols == 16), "weights without scales, or one for 128");
  static_assert(P::kPanels == 1 && P::kTokenWarps == 1 && P::kKWarps == 1 && P::kRowWarps % 4 == 0, "whole warpgroups");
  static_assert(P::kTiles % 16 == 0 && kStageBytes % 1024 == 0, "x lies as the swizzle wants it");

  u8 *shared;
  const u8 *x, *weights;
  int rows, firstToken, firstPanel, lane, warp;
  float sums[1][P::kTiles][4];

  __device__ __forceinline__ void start(int step) {
    if (step < kSteps) {
      u8 *stage = shared + step % P::kStages * kStageBytes;
      copySwizzled(stage, step);
      if constexpr (kWide)
        copyRun(stage + kXBytes, step);
      else
        copyWeights<P>(stage + kXBytes, weights, firstPanel, step);
    }
    commitCopies();
  }
  /// Of each panel 512 bytes of codes, every other step the second of a superblock, and its 64 bytes of scales.
  __device__ __forceinline__ void copyRun(u8 *to, int step) {
    constexpr int kPieces = kStepBytes / 16, kAll = S::kPanels * kPieces;
#pragma unroll
    for (int first = 0; first < kAll; first += S::kThreads) {
      const int i = first + static_cast<int>(threadIdx.x);
      if (kAll % S::kThreads != 0 && i >= kAll)
        break;
      const int panel = i / kPieces, at = i % kPieces * 16;
      const u8 *block = weights + (firstPanel + panel) * S::kPanelBytes + static_cast<i64>(step / 2) * Layout::kBytes;
      copyAsyncPart(to + panel * kStepBytes + at, block + (at < 512 ? step % 2 * 512 + at : 512 + at),
                    firstPanel + panel < S::kAllPanels ? 16 : 0);
    }
  }
  /// The four fragments of a step from one run of codes.
  __device__ __forceinline__ void unpackRun(Fragment (&a)[4], const u8 *run) {
    const Words4 words = *reinterpret_cast<const Words4 *>(run + lane * 16);
    const u32 codes[4] = {words.x, words.y, words.z, words.w};
    const Words2 scales = *reinterpret_cast<const Words2 *>(run + 512 + lane / 4 * 8);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      a[k] = valuesInBf16(Layout::fragment(codes, k), scales.x, scales.y);
  }
  /// 64 columns of every token: 8 pieces of 16 bytes, exchanged within their 128 bytes by the token's number.
  __device__ __forceinline__ void copySwizzled(u8 *to, int step) {
    const int piece = threadIdx.x % 8, token0 = threadIdx.x / 8, col = step * 64 + piece * 8;
    int left = 16;
    if constexpr (P::kK % 64 != 0)
      left = max(0, min((P::kK - col) * 2, 16));
    const u8 *from = x + static_cast<i64>(firstToken + token0) * P::kXStride + col * 2;
#pragma unroll
    for (int token = 0; token < S::kTokens; token += S::kThreads / 8)
      copyAsyncPart(to + (token + token0) * 128 + (piece ^ token0 % 8) * 16, from + token * P::kXStride,
                    firstToken + token + token0 < rows ? left : 0);
  }

  /// One step, its fragments in `a`: those of the step before are still being read.
  __device__ __forceinline__ void multiply(int step, Fragment (&a)[4], Fragment (&rest)[4]) {
    waitCopies<P::kStages - 3>();
    showToTensorCores();
    __syncthreads(); // this step has arrived for all threads; the products of the step before the last are done for all
    start(step + P::kStages - 2);
    const u8 *stage = shared + step % P::kStages * kStageBytes;
    if constexpr (kWide)
      unpackRun(a, stage + kXBytes + warp * kStepBytes);
#pragma unroll
    for (int k = 0; !kWide && k < 4; k += 2) {
      Held<Layout> held[Layout::kCols < 32 ? 2 : 1];
      Held<Layout>::loadGroup(held, stage + kXBytes + warp * kStepBytes + k * Layout::kBytes, 0, lane);
#pragma unroll
      for (int i = 0; i < (Layout::kCols < 32 ? 2 : 1); ++i) {
        a[k + i] = Layout::fragment(held[i].codes, 0);
        if constexpr (Layout::kRest)
          rest[k + i] = Layout::rest(held[i].codes);
      }
    }
    beginProducts();
#pragma unroll
    for (int k = 0; k < 4; ++k)
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        const u64 tile = describeTile(stage + part * (128 * 128) + k * 32);
        multiplyWarpgroup<kIsE4m3<Layout>>(sums[0] + part * 16, a[k], tile);
        if constexpr (Layout::kRest)
          multiplyWarpgroup<false>(sums[0] + part * 16, rest[k], tile);
      }
    commitProducts();
    waitProducts<1>();
  }

  __device__ __forceinline__ void run() {
#pragma unroll
    for (int step = 0; step < P::kStages - 2; ++step)
      start(step);
#pragma unroll
    for (int i = 0; i < P::kTiles * 4; ++i)
      sums[0][i / 4][i % 4] = 0.0f;
    Fragment even[4], odd[4], evenRest[4], oddRest[4];
#pragma unroll 1
    for (int step = 0; step < kSteps; step += 2) {
      multiply(step, even, evenRest);
      if (step + 1 < kSteps)
        multiply(step + 1, odd, oddRest);
    }
    waitProducts<0>();
    // Only now are the sums there: nothing that reads them may move before the wait.
#pragma unroll
    for (int i = 0; i < P::kTiles * 4; ++i)
      asm volatile("" : "+f"(sums[0][i / 4][i % 4])::"memory");
  }
};

/// Sums of panels [firstPanel, ...) for tokens [firstToken, ...), left in shared memory for sumOf().
template <typename P>
DEVICE void warpgroupProduct(u8 *shared, const u8 *x, const u8 *weights, int rows, int firstToken, int firstPanel) {
  Warpgroups<P> block;
  block.shared = shared, block.x = x, block.weights = weights, block.rows = rows;
  block.firstToken = firstToken, block.firstPanel = firstPanel;
  block.lane = threadIdx.x % 32, block.warp = threadIdx.x / 32;
  block.run();
  waitCopies<0>();
  __syncthreads(); // the ring becomes the sums
  keepSums<P>(shared, block.sums, 0, block.warp, 0, block.lane);
  __syncthreads();
}
