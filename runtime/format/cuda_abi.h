// What CUDA kernels and the runtime that launches them agree on: names, limits, the size of a launch, and how rows are
// sampled. ABI version 3.
//
// A kernel is `extern "C" __global__ void SYMBOL(const __grid_constant__ Args args)` with
// `struct Args { unsigned long long word[N]; }`: device addresses, the words of Launch.args in their order, as a CPU
// kernel gets them. It has no scratch word. Everything else is as in kernel_abi.h, in device memory: Batch and what its
// pointers name, row strides, pages of the cache, readable rows past T and bytes past a weight. A kernel reads T, S and
// sequences from Batch; blocks whose work lies past them return at once, so that a graph may launch more than a step
// needs.
#pragma once

#include <cstdint>
#include <string_view>

namespace llmc::rt::cuda {

/// Bumped whenever a generated kernel and the runtime would disagree; Engine.abi_version of engines for this target.
inline constexpr uint32_t kAbiVersion = 3;
/// Kernels from this version on run: what they read of a batch lies where it lay. Since 2: Batch.samples, sample_slot;
/// since 3: Batch.lastTokens.
inline constexpr uint32_t kOldestAbi = 1;
/// Embeddings of engines from this version on look up ids of -1 - row in Batch.lastTokens.
inline constexpr uint32_t kLastTokensAbi = 3;

/// Engine.target, and what the names of levels start with: "cuda:sm_90a" holds cubins for that architecture alone,
/// "cuda:compute_90" PTX, zero-terminated texts, for that architecture and later ones.
inline constexpr std::string_view kTarget = "cuda";
inline constexpr std::string_view kCubinLevel = "cuda:sm_";
inline constexpr std::string_view kPtxLevel = "cuda:compute_";

/// Oldest driver whose loader takes what NVRTC 13.0 makes: release branch and CUDA version as cuDriverGetVersion says.
inline constexpr int kDriverBranch = 580;
inline constexpr int kDriverVersion = 13000;

/// Weights start at multiples of this many bytes of their section, which goes to memory aligned so.
inline constexpr uint64_t kWeightAlignment = 256;
/// Threads of a block: whole warps of 32.
inline constexpr uint32_t kMinThreads = 32, kMaxThreads = 1024;
/// Shared memory of a block on the largest architectures, of an SM's 228 KiB; more than kPlainSharedBytes has to be
/// asked for when the kernel is loaded.
inline constexpr uint32_t kMaxSharedBytes = 227u << 10, kPlainSharedBytes = 48u << 10;
/// Bytes of a kernel's parameters that every architecture takes.
inline constexpr uint32_t kMaxParameterBytes = 4096;
/// Blocks in x, and in y and z.
inline constexpr uint64_t kMaxGridX = 0x7fffffff, kMaxGridYZ = 65535;
/// Blocks that a multiprocessor can hold.
inline constexpr uint32_t kMaxBlocksPerSm = 32;
/// Blocks of a cluster that every device with clusters takes.
inline constexpr uint32_t kMaxCluster = 8;
/// Most tokens, rows and sequences of one step on this target, so that a dimension may count any of them.
inline constexpr uint32_t kMaxStepTokens = 65535;

/// Who chooses the token of a row.
enum class SampleMode : int32_t {
  kHost,  ///< the host; the kernel writes -1
  kBest,  ///< the first of the largest, edits counted
  kDraw,  ///< a draw from what the filters leave
};

/// What one row of a step is sampled by (SamplingParams, made ready). Values that the kernel does not check.
struct SampleRow {
  uint64_t seed = 0, position = 0;  ///< of the random number
  double topP = 1;
  float minWeight = 0;  ///< least weight, the best token's is 1: min_p, rounded up
  float scale = 1;      ///< 1 / temperature
  float repetition = 1;
  SampleMode mode = SampleMode::kHost;
  int32_t topK = 0;                  ///< 0: off; at most kMostTopK
  int32_t firstEdit = 0, edits = 0;  ///< in Batch.edits, by rising id, each id once
};

/// One token's logit becomes lowest when it is forbidden, else (x / repetition, or x * repetition below 0, if seen)
/// - subtract + bias.
struct SampleEdit {
  int32_t id = 0;
  uint32_t flags = 0;  ///< kEditSeen, kEditForbidden
  float subtract = 0, bias = 0;
};
inline constexpr uint32_t kEditSeen = 1, kEditForbidden = 2;
static_assert(sizeof(SampleRow) == 56 && sizeof(SampleEdit) == 16);

/// Larger top-k is the host's.
inline constexpr int32_t kMostTopK = 1024;
/// Edits of a step; rows that find no room are the host's.
inline constexpr uint32_t kMostEdits = 1u << 16;

/// Blocks of a launch in one dimension:
/// base + ceil(T / tTile) * tCount + ceil(S / sTile) * sCount + sequences * seqCount, at least 1. A tile of 0: without
/// that term. In a graph T, S and sequences are the bucket's. In x LaunchShape.blocks_per_sm times the device's
/// multiprocessors may be fewer: then blocks take what the others would have done in turn, in whole clusters.
struct GridDim {
  uint32_t base = 1, tTile = 0, tCount = 0, sTile = 0, sCount = 0, seqCount = 0;
  bool operator==(const GridDim&) const = default;
};

/// Requires: counts of at most kMaxStepTokens, so that no term wraps.
constexpr uint64_t blocks(const GridDim& dim, uint64_t tokens, uint64_t rows, uint64_t sequences) {
  uint64_t sum = dim.base + sequences * dim.seqCount;
  if (dim.tTile != 0) sum += (tokens + dim.tTile - 1) / dim.tTile * dim.tCount;
  if (dim.sTile != 0) sum += (rows + dim.sTile - 1) / dim.sTile * dim.sCount;
  return sum == 0 ? 1 : sum;
}

/// Blocks in x that take their work in turn, whole clusters of `cluster` blocks on a device with any number of
/// multiprocessors. 0 blocks a multiprocessor: 0, no limit.
constexpr uint32_t mostBlocks(uint32_t blocksPerSm, uint32_t multiprocessors, uint32_t cluster) {
  const uint32_t blocks = blocksPerSm * multiprocessors, each = cluster > 1 ? cluster : 1;
  return blocks == 0 ? 0 : blocks < each ? each : blocks / each * each;
}

}  // namespace llmc::rt::cuda
