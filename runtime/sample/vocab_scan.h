// Loops over a whole row of logits, written so that the compiler makes vectors of them: the sampler's only O(vocab)
// work.
#pragma once

#include <cstdint>

namespace llmc::rt {

/// Entries in a block of blockMaxima and expBlocks.
inline constexpr uint32_t kScanBlock = 64;
constexpr uint32_t scanBlocks(uint32_t count) { return (count + kScanBlock - 1) / kScanBlock; }

/// Largest of `row[0, count)`, and whether all entries are finite. Requires: count > 0.
struct MaxScan {
  float max;
  bool finite;
};
MaxScan scanMax(const float* row, uint32_t count);

/// First index with row[i] == value; `count` when there is none.
uint32_t findFirst(const float* row, uint32_t count, float value);

/// Largest of each block of 64; `maxima` has scanBlocks(count) entries.
void blockMaxima(const float* row, uint32_t count, float* maxima);

/// Bit i: block[i] >= bound, for a whole block of 64.
uint64_t atLeast(const float* block, float bound);

/// sums[b] = sum over block b of exp((row[i] - max) * scale). Requires: row[i] <= max, scale > 0. Relative error of
/// each exp below 2e-7.
void expSums(const float* row, uint32_t count, float max, float scale, float* sums);

/// out[i] = exp((row[i] - max) * scale), the terms of expSums.
void expRow(const float* row, uint32_t count, float max, float scale, float* out);

/// exp(x) for x <= 0 as used by expSums, one value: scalar code that must agree with the blocks.
float expNonPositive(float x);

}  // namespace llmc::rt
