// Scale search in 16 lanes. Written with vector types so that one source serves AVX-512, AVX2 and plain x86-64 bit for
// bit.
#include "compiler/engine/Quantizer.h"

#include <cstring>

#include "codegen/registry/PackedLayout.h"

// Fusing is spelled out where it is wanted; anything else would differ between machines.
#pragma clang fp contract(off)

namespace llmc {
namespace {

constexpr int kGroup = 32, kLanes = 16;
static_assert(kWideGroup % kGroup == 0);
using F = float __attribute__((vector_size(64)));
using I = int32_t __attribute__((vector_size(64)));

#define LLMC_INLINE static inline __attribute__((always_inline))

/// Symmetric codes low to high; the largest value is tried on `grids` places from `first` on, `step` apart.
struct SymmetricCodes {
  float low, high, first, step;
  int grids;
};
constexpr SymmetricCodes kFourBit{-8, 7, 7.1f, 0.1f, 19}, kEightBit{-127, 127, 124.0f, 0.5f, 8};
/// The range is tried on 14 to 16 steps.
constexpr int kAsymmetricGrids = 21;

struct Fit {
  F scale, offset;  // value = scale * q + offset
};

LLMC_INLINE F splat(float value) { return F{} + value; }

LLMC_INLINE uint32_t laneBits(const I& mask) {
  uint32_t bits = 0;
  for (int r = 0; r < kLanes; ++r) bits |= mask[r] != 0 ? 1u << r : 0u;
  return bits;
}

LLMC_INLINE I notFinite(const F* x, int count = kGroup) {
  I bad{};
  for (int k = 0; k < count; ++k) {
    I bits;
    std::memcpy(&bits, &x[k], sizeof(bits));
    bad |= (bits & 0x7f800000) == 0x7f800000;
  }
  return bad;
}

/// Rounds lanes to f16, returns them as float and stores the bits; lanes that overflow set their bit in `faults`.
LLMC_INLINE F roundToHalf(const F& value, uint16_t* bits, uint32_t& faults) {
  F rounded;
  for (int r = 0; r < kLanes; ++r) {
    bits[r] = f32ToF16(value[r]);
    if ((bits[r] & 0x7c00u) == 0x7c00u) faults |= 0x10000u << r;
    rounded[r] = f16ToF32(bits[r]);
  }
  return rounded;
}

/// 1 / scale, 0 where scale is 0 or the result is infinite.
LLMC_INLINE F inverse(const F& scale) {
  F result = splat(1.0f) / scale;
  I usable = (result <= 3.0e38f) & (result >= -3.0e38f);
  return usable ? result : F{};
}

LLMC_INLINE F clampRound(const F& x, float low, float high) {
  F rounded = __builtin_elementwise_roundeven(x);
  return __builtin_elementwise_min(__builtin_elementwise_max(rounded, splat(low)), splat(high));
}

/// Least squares over scale alone; keeps the grid with the largest explained energy.
template <bool kSquare>
LLMC_INLINE F fitSymmetric(const F* x, const SymmetricCodes& codes) {
  F extreme{};
  for (int k = 0; k < kGroup; ++k) {
    I larger = __builtin_elementwise_abs(x[k]) > __builtin_elementwise_abs(extreme);
    extreme = larger ? x[k] : extreme;
  }
  F unit = inverse(extreme), best{}, bestScore{};
  for (int grid = 0; grid < codes.grids; ++grid) {
    F scale = unit * -(codes.first + codes.step * static_cast<float>(grid));
    F sumXq{}, sumQq{};
    for (int k = 0; k < kGroup; ++k) {
      F q = clampRound(x[k] * scale, codes.low, codes.high);
      F weighted = kSquare ? q * (x[k] * x[k]) : q;
      sumXq = __builtin_elementwise_fma(weighted, x[k], sumXq);
      sumQq = __builtin_elementwise_fma(weighted, q, sumQq);
    }
    F score = sumXq * sumXq / sumQq;
    I better = score > bestScore;
    bestScore = better ? score : bestScore;
    best = better ? sumXq / sumQq : best;
  }
  return best;
}

/// Least squares over scale and offset of kCount elements for codes in [0, 15].
template <bool kSquare, int kCount>
LLMC_INLINE Fit fitAsymmetric(const F* x) {
  F low = x[0], high = x[0];
  for (int k = 1; k < kCount; ++k) {
    low = __builtin_elementwise_min(low, x[k]);
    high = __builtin_elementwise_max(high, x[k]);
  }
  F y[kCount], w[kCount];
  F sumW{}, sumY{};
  for (int k = 0; k < kCount; ++k) {
    y[k] = x[k] - low;
    w[k] = kSquare ? x[k] * x[k] : splat(1.0f);
    sumW = sumW + w[k];
    sumY = __builtin_elementwise_fma(w[k], y[k], sumY);
  }
  F unit = inverse(high - low), bestScore{};
  Fit best{(high - low) / 15.0f, low};
  for (int grid = 0; grid < kAsymmetricGrids; ++grid) {
    F scale = unit * (14.0f + 0.1f * static_cast<float>(grid));
    F sumQ{}, sumQq{}, sumYq{};
    for (int k = 0; k < kCount; ++k) {
      F q = clampRound(y[k] * scale, 0.0f, 15.0f);
      F weighted = kSquare ? q * w[k] : q;
      sumQ = sumQ + weighted;
      sumQq = __builtin_elementwise_fma(weighted, q, sumQq);
      sumYq = __builtin_elementwise_fma(weighted, y[k], sumYq);
    }
    F determinant = sumW * sumQq - sumQ * sumQ;
    F slope = (sumW * sumYq - sumY * sumQ) / determinant;
    F offset = (sumQq * sumY - sumQ * sumYq) / determinant;
    F score = slope * sumYq + offset * sumY;
    I better = (determinant > 0.0f) & (score > bestScore);
    bestScore = better ? score : bestScore;
    best.scale = better ? slope : best.scale;
    best.offset = better ? offset + low : best.offset;
  }
  return best;
}

/// Line j: byte i of a lane holds k = 4j+i in its low and k+16 in its high nibble.
LLMC_INLINE void storeNibbles(const I* q, uint32_t* lines) {
  for (int line = 0; line < 4; ++line) {
    I word{};
    for (int i = 0; i < 4; ++i) word |= (q[4 * line + i] | q[4 * line + i + 16] << 4) << (8 * i);
    std::memcpy(lines + kLanes * line, &word, sizeof(word));
  }
}

LLMC_INLINE LaneFaults quantizeI8(const float* values, uint32_t* lines, uint16_t* scales) {
  const F* x = reinterpret_cast<const F*>(values);
  uint32_t faults = laneBits(notFinite(x));
  F unit = inverse(roundToHalf(fitSymmetric<false>(x, kEightBit), scales, faults));
  for (int line = 0; line < 8; ++line) {
    I word{};
    for (int i = 0; i < 4; ++i)
      word |= __builtin_convertvector(clampRound(x[4 * line + i] * unit, -127.0f, 127.0f) + 128.0f, I) << (8 * i);
    std::memcpy(lines + kLanes * line, &word, sizeof(word));
  }
  return faults;
}

template <bool kSquare>
LLMC_INLINE LaneFaults quantizeI4Sym(const float* values, uint32_t* lines, uint16_t* scales) {
  const F* x = reinterpret_cast<const F*>(values);
  uint32_t faults = laneBits(notFinite(x));
  F unit = inverse(roundToHalf(fitSymmetric<kSquare>(x, kFourBit), scales, faults));
  I q[kGroup];
  for (int k = 0; k < kGroup; ++k) q[k] = __builtin_convertvector(clampRound(x[k] * unit, -8.0f, 7.0f) + 8.0f, I);
  storeNibbles(q, lines);
  return faults;
}

template <bool kSquare, int kCount = kGroup>
LLMC_INLINE LaneFaults quantizeI4Asym(const float* values, uint32_t* lines, uint16_t* scales, uint16_t* mins) {
  const F* x = reinterpret_cast<const F*>(values);
  uint32_t faults = laneBits(notFinite(x, kCount));
  Fit fit = fitAsymmetric<kSquare, kCount>(x);
  F unit = inverse(roundToHalf(fit.scale, scales, faults));
  F min = roundToHalf(fit.offset, mins, faults);
  for (int first = 0; first < kCount; first += kGroup) {
    I q[kGroup];
    for (int k = 0; k < kGroup; ++k)
      q[k] = __builtin_convertvector(clampRound((x[first + k] - min) * unit, 0.0f, 15.0f), I);
    storeNibbles(q, lines + first / kGroup * 4 * kLanes);
  }
  return faults;
}

#define LLMC_QUANTIZERS(name, target)                                                                          \
  struct name {                                                                                                \
    target static LaneFaults i8(const float* x, uint32_t* lines, uint16_t* scales, uint16_t*) {                \
      return quantizeI8(x, lines, scales);                                                                     \
    }                                                                                                          \
    target static LaneFaults i4Sym(const float* x, uint32_t* lines, uint16_t* scales, uint16_t*) {             \
      return quantizeI4Sym<false>(x, lines, scales);                                                           \
    }                                                                                                          \
    target static LaneFaults i4SymSquare(const float* x, uint32_t* lines, uint16_t* scales, uint16_t*) {       \
      return quantizeI4Sym<true>(x, lines, scales);                                                            \
    }                                                                                                          \
    target static LaneFaults i4Asym(const float* x, uint32_t* lines, uint16_t* scales, uint16_t* mins) {       \
      return quantizeI4Asym<false>(x, lines, scales, mins);                                                    \
    }                                                                                                          \
    target static LaneFaults i4AsymSquare(const float* x, uint32_t* lines, uint16_t* scales, uint16_t* mins) { \
      return quantizeI4Asym<true>(x, lines, scales, mins);                                                     \
    }                                                                                                          \
    target static LaneFaults i4Wide(const float* x, uint32_t* lines, uint16_t* scales, uint16_t* mins) {       \
      return quantizeI4Asym<false, kWideGroup>(x, lines, scales, mins);                                        \
    }                                                                                                          \
    target static LaneFaults i4WideSquare(const float* x, uint32_t* lines, uint16_t* scales, uint16_t* mins) { \
      return quantizeI4Asym<true, kWideGroup>(x, lines, scales, mins);                                         \
    }                                                                                                          \
    static constexpr GroupQuantizers kAll{i8, i4Sym, i4Asym, i4SymSquare, i4AsymSquare, i4Wide, i4WideSquare}; \
  }

LLMC_QUANTIZERS(Portable, );
LLMC_QUANTIZERS(Avx2, __attribute__((target("avx2,fma"))));
LLMC_QUANTIZERS(Avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))));

}  // namespace

const GroupQuantizers& portableQuantizers() { return Portable::kAll; }

const GroupQuantizers& groupQuantizers() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return Avx512::kAll;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Avx2::kAll;
  return Portable::kAll;
}

}  // namespace llmc
