// AVX2 versions by function attribute: this file runs only after an engine level (all have AVX2) was chosen, and in
// tests.
#include "runtime/sample/vocab_scan.h"

#include <immintrin.h>

// Only the loops below get the wider instructions: no inline function of a header may be compiled with them.
#define LLMC_WIDE __attribute__((target("avx2,fma")))

namespace llmc::rt {
namespace {

// exp(x) = 2^n * 2^f with x*log2(e) = n + f, |f| <= 1/2; 2^f by its degree-6 Taylor series in f*ln(2).
LLMC_WIDE inline __attribute__((always_inline)) float expWide(float x) {
  const bool zero = x < -87.0f;  // below the smallest normal number
  x = zero ? -87.0f : x;
  const float n = __builtin_rintf(x * 1.44269504f);
  float r = __builtin_fmaf(n, -0.693145752f, x);  // ln 2 in two parts: the first has 15 zero bits at its end
  r = __builtin_fmaf(n, -1.42860677e-6f, r);
  float p = 1.0f / 720;
  p = __builtin_fmaf(p, r, 1.0f / 120);
  p = __builtin_fmaf(p, r, 1.0f / 24);
  p = __builtin_fmaf(p, r, 1.0f / 6);
  p = __builtin_fmaf(p, r, 0.5f);
  p = __builtin_fmaf(p, r, 1.0f);
  p = __builtin_fmaf(p, r, 1.0f);
  const int32_t power = (static_cast<int32_t>(n) + 127) << 23;
  return zero ? 0.0f : p * __builtin_bit_cast(float, power);
}

}  // namespace

LLMC_WIDE MaxScan scanMax(const float* row, uint32_t count) {
  constexpr uint32_t kLanes = 32;
  if (count < kLanes) {  // the few tiles of a small vocabulary: the lanes would cost more than the row
    MaxScan result{row[0], true};
    float sum = 0;
    for (uint32_t i = 0; i < count; ++i) {
      result.max = row[i] > result.max ? row[i] : result.max;
      sum += row[i] * 0.0f;
    }
    result.finite = sum == 0.0f;
    return result;
  }
  float max[kLanes], zero[kLanes];
  for (uint32_t j = 0; j < kLanes; ++j) max[j] = row[0], zero[j] = 0;
  uint32_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (uint32_t j = 0; j < kLanes; ++j) {
      const float x = row[i + j];
      max[j] = x > max[j] ? x : max[j];
      zero[j] += x * 0.0f;  // NaN and infinities turn this into NaN and stay
    }
  for (; i < count; ++i) {
    max[0] = row[i] > max[0] ? row[i] : max[0];
    zero[0] += row[i] * 0.0f;
  }
  MaxScan result{max[0], true};
  float sum = 0;
  for (uint32_t j = 0; j < kLanes; ++j) {
    result.max = max[j] > result.max ? max[j] : result.max;
    sum += zero[j];
  }
  result.finite = sum == 0.0f;
  return result;
}

LLMC_WIDE uint32_t findFirst(const float* row, uint32_t count, float value) {
  constexpr uint32_t kChunk = 256;
  uint32_t i = 0;
  for (; i + kChunk <= count; i += kChunk) {
    int32_t hit = 0;
    for (uint32_t j = 0; j < kChunk; ++j) hit |= row[i + j] == value;
    if (hit) break;
  }
  for (; i < count; ++i)
    if (row[i] == value) return i;
  return count;
}

LLMC_WIDE void blockMaxima(const float* row, uint32_t count, float* maxima) {
  constexpr uint32_t kLanes = 8;
  uint32_t block = 0;
  for (; (block + 1) * kScanBlock <= count; ++block) {
    const float* x = row + block * kScanBlock;
    float max[kLanes];
    for (uint32_t j = 0; j < kLanes; ++j) max[j] = x[j];
    for (uint32_t i = kLanes; i < kScanBlock; i += kLanes)
      for (uint32_t j = 0; j < kLanes; ++j) max[j] = x[i + j] > max[j] ? x[i + j] : max[j];
    for (uint32_t j = 1; j < kLanes; ++j) max[0] = max[j] > max[0] ? max[j] : max[0];
    maxima[block] = max[0];
  }
  if (block * kScanBlock == count) return;
  float max = row[block * kScanBlock];
  for (uint32_t i = block * kScanBlock; i < count; ++i) max = row[i] > max ? row[i] : max;
  maxima[block] = max;
}

LLMC_WIDE uint64_t atLeast(const float* block, float bound) {
  const __m256 least = _mm256_set1_ps(bound);
  uint64_t bits = 0;
  for (uint32_t i = 0; i < kScanBlock; i += 8) {
    const __m256 lanes = _mm256_cmp_ps(_mm256_loadu_ps(block + i), least, _CMP_GE_OQ);
    bits |= static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_ps(lanes))) << i;
  }
  return bits;
}

LLMC_WIDE void expSums(const float* row, uint32_t count, float max, float scale, float* sums) {
  constexpr uint32_t kLanes = 8;
  uint32_t block = 0;
  for (; (block + 1) * kScanBlock <= count; ++block) {
    const float* x = row + block * kScanBlock;
    float lane[kLanes] = {};
    for (uint32_t i = 0; i < kScanBlock; i += kLanes)
      for (uint32_t j = 0; j < kLanes; ++j) lane[j] += expWide((x[i + j] - max) * scale);
    const __m256 pairs = _mm256_hadd_ps(_mm256_loadu_ps(lane), _mm256_loadu_ps(lane));
    const __m256 halves = _mm256_hadd_ps(pairs, pairs);  // ((0 + 1) + (2 + 3)), ((4 + 5) + (6 + 7))
    sums[block] = _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1)));
  }
  if (block * kScanBlock == count) return;
  float sum = 0;
  for (uint32_t i = block * kScanBlock; i < count; ++i) sum += expWide((row[i] - max) * scale);
  sums[block] = sum;
}

LLMC_WIDE void expRow(const float* row, uint32_t count, float max, float scale, float* out) {
  for (uint32_t i = 0; i < count; ++i) out[i] = expWide((row[i] - max) * scale);
}

LLMC_WIDE float expNonPositive(float x) { return expWide(x); }

}  // namespace llmc::rt
