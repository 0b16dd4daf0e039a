// Matrix products y[M, N] = x[M, K] * w[N, K]^T with packed weights: the weights' rows are the 16 rows of an mma,
// tokens its 8 columns.
//
// A configuration P (printed by codegen/cuda/matmul) has: Layout; kN, kK, kXStride (bytes of a row of x); kKWarps,
// kRowWarps, kTokenWarps (warps of a block along K, rows, tokens); kSplits (blocks along K: blockIdx.y); kPanels, kTiles (a warp's panels of 16 rows and
// tiles of 8 tokens); kStages, kStageBlocks (stages of the ring in shared memory, superblocks along K in one); kHeld
// (superblocks of a panel that a warp has in registers).
#pragma once

/// x of one step of a warp: operand B of 32 columns for each tile, and the sums of these columns where mins need them.
template <typename Layout, int kTiles> struct StepOfX {
  u32 b[kTiles][4];
  float sums[kTiles][2]; ///< tokens 2t and 2t+1 of lane 4g + t

  /// `rows`: x in shared memory from the warp's first token and the step's first column on, `stride` bytes a token.
  DEVICE void load(StepOfX &step, const u8 *rows, int stride, int lane) {
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      loadMatrices(step.b[tile], rows + (tile * 8 + lane % 8) * stride + lane / 8 * 16);
      if constexpr (Layout::kMins) {
        constexpr Fragment kOnes = {{kBf16Of1, kBf16Of1, kBf16Of1, kBf16Of1}};
        float sums[4];
        mmaSet(sums, kOnes, step.b[tile][0], step.b[tile][1]);
        mmaAdd(sums, kOnes, step.b[tile][2], step.b[tile][3]);
        step.sums[tile][0] = sums[0], step.sums[tile][1] = sums[1];
      }
    }
  }
};

/// The scales of 32 columns, as Held::group() leaves them, for rows g and g+8 of a lane, and the mins. Groups of 16 have
/// two.
template <typename Layout> struct GroupScales {
  static constexpr int kParts = Layout::kCols == Layout::kGroups * 16 ? 2 : 1;
  float scale[kParts][2], min[2];

  DEVICE GroupScales of(const Held<Layout> &held) {
    GroupScales r;
    if constexpr (Layout::kByteScales) {
      const float number[2] = {lowF16(held.scales[2]), highF16(held.scales[2])};
#pragma unroll
      for (int i = 0; i < kParts * 2; ++i)
        r.scale[i / 2][i % 2] = number[i % 2] * byteToFloat<!Layout::kMins>(held.scales[0], i);
      if constexpr (Layout::kMins)
        r.min[0] = lowF16(held.scales[3]) * byteToFloat<false>(held.scales[1], 0),
        r.min[1] = highF16(held.scales[3]) * byteToFloat<false>(held.scales[1], 1);
    } else if constexpr (Layout::kGroups > 0) {
      r.scale[0][0] = lowF16(held.scales[0]), r.scale[0][1] = highF16(held.scales[0]);
      if constexpr (Layout::kMins)
        r.min[0] = lowF16(held.scales[Layout::kGroups]), r.min[1] = highF16(held.scales[Layout::kGroups]);
    }
    return r;
  }
};

/// Adds 32 columns of one panel: steps a0 and a1 of 16. With groups the whole numbers are summed exactly, then scaled
/// in f32: sums += scale * sum(q x) + min * sum(x).
template <typename Layout, int kTiles>
DEVICE void addFragments(float (&sums)[kTiles][4], const Fragment &a0, const Fragment &a1,
                         const GroupScales<Layout> &scales, const StepOfX<Layout, kTiles> &x) {
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
    if constexpr (kIsE4m3<Layout>) {
      mmaAddE4m3(sums[tile], a0, x.b[tile][0], x.b[tile][1]);
      mmaAddE4m3(sums[tile], a1, x.b[tile][2], x.b[tile][3]);
    } else if constexpr (Layout::kGroups == 0) {
      mmaAdd(sums[tile], a0, x.b[tile][0], x.b[tile][1]);
      mmaAdd(sums[tile], a1, x.b[tile][2], x.b[tile][3]);
    } else {
      constexpr int kParts = GroupScales<Layout>::kParts;
      float group[4];
      mmaSet(group, a0, x.b[tile][0], x.b[tile][1]);
      if constexpr (kParts == 2) {
#pragma unroll
        for (int i = 0; i < 4; ++i)
          sums[tile][i] = fmaf(scales.scale[0][i / 2], group[i], sums[tile][i]);
        mmaSet(group, a1, x.b[tile][2], x.b[tile][3]);
      } else {
        mmaAdd(group, a1, x.b[tile][2], x.b[tile][3]);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sums[tile][i] = fmaf(scales.scale[kParts - 1][i / 2], group[i], sums[tile][i]);
        if constexpr (Layout::kMins)
          sums[tile][i] = fmaf(scales.min[i / 2], x.sums[tile][i % 2], sums[tile][i]);
      }
    }
  }
}

/// A unit: the superblocks of a panel that hold whole groups of 32 columns.
template <typename Layout> constexpr int kUnitCols = Layout::kCols < 32 ? 32 : Layout::kCols;
template <typename Layout> constexpr int kUnitBlocks = kUnitCols<Layout> / Layout::kCols;

/// Adds group `k` of one panel's kBlocks superblocks in registers. Choosing by selects keeps `k` free to be a loop's
/// variable: unrolled, the compiler would unpack all groups at once and spill.
template <typename Layout, int kTiles, int kBlocks>
DEVICE void addGroup(float (&sums)[kTiles][4], const Held<Layout> *unit, int k, const StepOfX<Layout, kTiles> &x) {
  if constexpr (Layout::kCols < 32) {
    addFragments<Layout, kTiles>(sums, Layout::fragment(unit[0].codes, 0), Layout::fragment(unit[1].codes, 0), {}, x);
    if constexpr (Layout::kRest)
      addFragments<Layout, kTiles>(sums, Layout::rest(unit[0].codes), Layout::rest(unit[1].codes), {}, x);
  } else {
    const Held<Layout> group = Held<Layout>::group(unit[0], kBlocks == 2 ? unit[1] : unit[0], k);
    addFragments<Layout, kTiles>(sums, Layout::fragment(group.codes, 0), Layout::fragment(group.codes, 1),
                                 GroupScales<Layout>::of(group), x);
  }
}

/// Sizes that follow from a configuration.
template <typename P> struct Sizes {
  using Layout = typename P::Layout;
  static constexpr int kBlocks = (P::kK + Layout::kCols - 1) / Layout::kCols; // superblocks of a panel
  static constexpr i64 kCodeBytes = static_cast<i64>(kBlocks) * Layout::kBytes; // superblocks of a panel
  static constexpr i64 kPanelBytes = kCodeBytes + kHeaderBytes<Layout>;
  static constexpr int kAllPanels = (P::kN + 15) / 16;
  static constexpr int kCols = P::kStageBlocks * Layout::kCols;                    // columns of one stage
  static constexpr int kSteps = (kBlocks + P::kStageBlocks - 1) / P::kStageBlocks; // stages along K
  static constexpr int kPanels = P::kPanels * P::kRowWarps;                        // of the block
  static constexpr int kTokens = P::kTiles * P::kTokenWarps * 8;                   // of the block
  static constexpr int kThreads = P::kKWarps * P::kRowWarps * P::kTokenWarps * 32;
  // Rows of x in shared memory are an odd number of 16 bytes apart, so that 8 rows lie in different banks.
  static constexpr int kXRow = kCols * 2 + 16;
  static constexpr int kXBytes = kTokens * kXRow;
  // Sums [K warp][token][row]: 4 more floats a token, so that the lanes of an accumulator write to different banks.
  static constexpr int kSumRow = kPanels * 16 + 4;
  static constexpr int kParts = P::kSplits > 1 ? 1 : P::kKWarps; // of a sum, where sumsOf() finds them
  static_assert(kCols % kUnitCols<Layout> == 0, "a stage is whole groups");
};

/// Starts to copy columns [step * kCols, ...), which exist, of tokens [firstToken, ...) of x by kThreads threads; what
/// lies past `rows` or K becomes zero.
template <typename P, int kThreads>
DEVICE void copyX(u8 *to, const u8 *x, int rows, int firstToken, int step, int thread) {
  using S = Sizes<P>;
  constexpr int kPieces = S::kCols / 8, kAll = S::kTokens * kPieces;
  static_assert(kPieces % kThreads == 0 || kThreads % kPieces == 0, "a thread's pieces are a fixed distance apart");
  const int firstCol = step * S::kCols + thread % kPieces * 8, token0 = thread / kPieces;
  u8 *const at = to + token0 * S::kXRow + thread % kPieces * 16;
  const u8 *const from = x + static_cast<i64>(firstToken + token0) * P::kXStride + firstCol * 2;
#pragma unroll
  for (int first = 0; first < kAll; first += kThreads) {
    const int token = first / kPieces, col = first % kPieces * 8; // from this thread's first piece on
    if (kAll % kThreads != 0 && first + thread >= kAll)
      break;
    int left = 16;
    if constexpr (P::kK % S::kCols != 0)
      left = max(0, min((P::kK - firstCol - col) * 2, 16));
    copyAsyncPart(at + token * S::kXRow + col * 2, from + token * P::kXStride + col * 2,
                  firstToken + token0 + token < rows ? left : 0);
  }
}

/// A sum of e4m3 products times the scales of its token and of row `row` of the weight. `weights`: the first panel's
/// superblocks, the scales before them. kScaleAt: where a row of x has its scale.
template <typename P, int kScaleAt> DEVICE float scaledSum(float sum, const u8 *x, const u8 *weights, int token, int row) {
  const float *const scales =
      reinterpret_cast<const float *>(weights + row / 16 * Sizes<P>::kPanelBytes - kHeaderBytes<typename P::Layout>);
  const float scale = *reinterpret_cast<const float *>(x + static_cast<i64>(token) * P::kXStride + kScaleAt);
  return sum * (scale * scales[row % 16] * kE4m3Products);
}

/// Leaves a warp's sums in shared memory.
template <typename P>
DEVICE void keepSums(u8 *shared, const float (&sums)[P::kPanels][P::kTiles][4], int part, int rowWarp, int tokenWarp,
                     int lane) {
  using S = Sizes<P>;
  float *to = reinterpret_cast<float *>(shared) + part * (S::kTokens * S::kSumRow);
#pragma unroll
  for (int panel = 0; panel < P::kPanels; ++panel)
#pragma unroll
    for (int tile = 0; tile < P::kTiles; ++tile)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int token = (tokenWarp * P::kTiles + tile) * 8 + lane % 4 * 2 + i % 2;
        const int row = (rowWarp * P::kPanels + panel) * 16 + lane / 4 + i / 2 * 8;
        to[token * S::kSumRow + row] = sums[panel][tile][i];
      }
}

/// Sums of one token and N rows of the block, a multiple of N on, over its K warps in their order.
template <typename P, int N, int kParts = Sizes<P>::kParts>
DEVICE Vec<N> sumsOf(const u8 *shared, int token, int row) {
  using S = Sizes<P>;
  const u8 *from = shared + (token * S::kSumRow + row) * 4;
  Vec<N> sum = load<F32, N>(from);
#pragma unroll
  for (int part = 1; part < kParts; ++part) {
    const Vec<N> other = load<F32, N>(from + part * (S::kTokens * S::kSumRow * 4));
#pragma unroll
    for (int i = 0; i < N; ++i)
      sum.v[i] += other.v[i];
  }
  return sum;
}
/// The sum of one token and one row of the block over its K warps, in their order.
template <typename P> DEVICE float sumOf(const u8 *shared, int token, int row) {
  using S = Sizes<P>;
  const float *from = reinterpret_cast<const float *>(shared) + token * S::kSumRow + row;
  float sum = from[0];
#pragma unroll
  for (int part = 1; part < S::kParts; ++part)
    sum += from[part * (S::kTokens * S::kSumRow)];
  return sum;
}
