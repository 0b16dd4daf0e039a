// The block of arguments that generated CPU kernels read: field order and offsets are kernel ABI version 3.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace llmc::rt {

/// Bumped whenever a generated kernel and the runtime would disagree; stored in each engine and compared at load.
inline constexpr uint32_t kKernelAbiVersion = 3;
/// Kernels from this version on run: what they read of a batch lies where it lay, and those that know fewer parameters
/// do not look at the others.
inline constexpr uint32_t kOldestKernelAbi = 1;

/// Tokens in one KV page. A page holds all layers, K then V for each.
inline constexpr uint32_t kPageTokens = 16;

/// Rows past T (or S) that kernels may read, never write: slots are this much longer than the step.
inline constexpr uint32_t kPaddingRows = 16;

/// One step's batch, ragged over sequences. Lives at one address for the life of an executor; rewritten between steps
/// by one thread while no kernel runs. T = tokens, S = rows selected for logits. All indices are 32 bit.
struct Batch {
  int32_t tokens = 0;                    ///< T
  int32_t rows = 0;                      ///< S, rows of `sampleRows`
  int32_t sequences = 0;                 ///< sequences with tokens in this step
  int32_t blockStride = 0;               ///< entries a sequence in `blockTable`
  const int32_t* tokenIds = nullptr;     ///< [T]
  const int32_t* positions = nullptr;    ///< [T] position in its sequence, from 0
  const int32_t* slots = nullptr;        ///< [T] where K and V go: page * kPageTokens + offset
  const int32_t* tokenSeq = nullptr;     ///< [T] index of the token's sequence
  const int32_t* queryStarts = nullptr;  ///< [sequences + 1] first token of each sequence
  const int32_t* contextLens = nullptr;  ///< [sequences] cached tokens once this step's are written
  const int32_t* blockTable = nullptr;   ///< [sequences][blockStride] page ids
  const int32_t* sampleRows = nullptr;   ///< [S] token index of each selected row
  /// [S] above 0: the row's logits are read; else they need not be written, its largest ones are enough. Since ABI 2.
  const int32_t* logitsWanted = nullptr;
  const void* samples = nullptr;  ///< CUDA: [S] SampleRow of cuda_abi.h; null: the best token of each row
  const void* edits = nullptr;    ///< CUDA: [of all rows] SampleEdit, in runs that SampleRow names
  /// CUDA: [S of the step before] f32, row stride rowStrideBytes(4): its tokens. An id of -1 - r in `tokenIds` is the
  /// one at row r. Since CUDA ABI 3.
  const float* lastTokens = nullptr;
};

static_assert(offsetof(Batch, tokenIds) == 16 && offsetof(Batch, positions) == 24 && offsetof(Batch, slots) == 32);
static_assert(offsetof(Batch, tokenSeq) == 40 && offsetof(Batch, queryStarts) == 48);
static_assert(offsetof(Batch, contextLens) == 56 && offsetof(Batch, blockTable) == 64);
static_assert(offsetof(Batch, sampleRows) == 72 && offsetof(Batch, logitsWanted) == 80);
static_assert(offsetof(Batch, samples) == 88 && offsetof(Batch, edits) == 96);
static_assert(offsetof(Batch, lastTokens) == 104 && sizeof(Batch) == 112);

/// A generated kernel. `args`: one absolute address a launch argument. Called once by every worker of a phase; workers
/// split the rows or panels among themselves by (worker, workers), and may leave some to whoever is free: `taken` is
/// one number of the launch for all of them, 0 before the first one enters; null: the shares are to be equal. Imports
/// nothing, keeps no state. Returns 0. `taken` is since ABI 3.
using KernelFn = int32_t (*)(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>* taken);
static_assert(sizeof(std::atomic<uint32_t>) == 4 && std::atomic<uint32_t>::is_always_lock_free);

/// Bytes from one activation row to the next: whole cache lines, an odd number of them so that rows of a power-of-two
/// width do not share one cache set.
constexpr uint64_t rowStrideBytes(uint64_t rowBytes) { return ((rowBytes + 63) / 64 | 1) * 64; }

/// Quantized activation row: int8 values padded to 64, then a float scale for each 16 of them, then a float bias for
/// each `biasGroup` (32; 16 for weights with a scale for each 16): the sum of scale * value, times minus the weights'
/// zero point when they have one. Scales of 16 rather than 32 values halve the divergence from exact math (measured on
/// SmolLM2: mean KL 3.9e-3 against 2.1e-3).
constexpr uint64_t kActivationGroup = 16;
constexpr uint64_t paddedK(uint64_t k) { return (k + 63) / 64 * 64; }
constexpr uint64_t quantizedScalesAt(uint64_t k) { return paddedK(k); }
constexpr uint64_t quantizedBiasesAt(uint64_t k) { return paddedK(k) + paddedK(k) / kActivationGroup * 4; }
constexpr uint64_t quantizedRowBytes(uint64_t k, uint64_t biasGroup = 32) {
  return quantizedBiasesAt(k) + paddedK(k) / biasGroup * 4;
}

/// Row of 8-bit floats (CUDA): e4m3 values, zeros up to 16, then one float scale.
constexpr uint64_t e4m3ScaleAt(uint64_t k) { return (k + 15) / 16 * 16; }
constexpr uint64_t e4m3RowBytes(uint64_t k) { return e4m3ScaleAt(k) + 4; }

}  // namespace llmc::rt
