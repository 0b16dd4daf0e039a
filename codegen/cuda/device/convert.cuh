// Storage formats of floats: f32, f16 and bf16 in memory, f32 in registers; rounding to nearest even.
#pragma once

DEVICE float f16ToF32(u16 bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
DEVICE u16 f32ToF16(float value) {
  u16 bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
/// Two f16 in one register, `low` in the low half.
DEVICE u32 packF16(float low, float high) {
  u32 bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
DEVICE float bf16ToF32(u16 bits) { return __uint_as_float(static_cast<u32>(bits) << 16); }
DEVICE u16 f32ToBf16(float value) {
  u16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
/// Two bf16 in one register, `low` in the low half.
DEVICE u32 packBf16(float low, float high) {
  u32 bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
DEVICE float lowBf16(u32 pair) { return __uint_as_float(pair << 16); }
DEVICE float highBf16(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }
DEVICE float lowF16(u32 pair) { return f16ToF32(static_cast<u16>(pair)); }
DEVICE float highF16(u32 pair) { return f16ToF32(static_cast<u16>(pair >> 16)); }

/// The nearest e4m3 (4 and 3 bits, largest 448, no infinity), ties to even; too large becomes 448. In plain operations,
/// which give the same bits on every architecture.
DEVICE u32 f32ToE4m3(float value) {
  const u32 bits = __float_as_uint(value), rest = bits & 0x7fffffffu;
  // Below 2^-6: adding 2^14 leaves the wanted bits, rounded to even, at the end of the fraction.
  const u32 small = __float_as_uint(__uint_as_float(rest) + 0x1p14f) - 0x46800000u;
  const u32 rounded = (rest - 0x3c000000u + 0x7ffffu + (rest >> 20 & 1u)) >> 20;
  const u32 code = rest < 0x3c800000u ? small : min(rounded, 0x7eu);
  return (rest > 0x7f800000u ? 0x7fu : code) | (bits >> 24 & 0x80u);
}
/// Scale of a row of e4m3 with its largest magnitude, and what values are multiplied with; a row of zeros has 0.
DEVICE float e4m3Scale(float largest) { return largest > 1e-30f ? largest / 448.0f : 0.0f; }
DEVICE float e4m3Inverse(float largest) { return largest > 1e-30f ? 448.0f / largest : 0.0f; }

/// A float format: its bytes, and a pair of it in one 32-bit register.
struct F32 {
  static constexpr int kBytes = 4;
  DEVICE float round(float x) { return x; }
};
struct F16 {
  static constexpr int kBytes = 2;
  DEVICE float low(u32 pair) { return lowF16(pair); }
  DEVICE float high(u32 pair) { return highF16(pair); }
  DEVICE float widen(u16 bits) { return f16ToF32(bits); }
  DEVICE u16 narrow(float x) { return f32ToF16(x); }
  DEVICE u32 pack(float low, float high) { return packF16(low, high); }
  DEVICE float round(float x) { return f16ToF32(f32ToF16(x)); }
};
struct BF16 {
  static constexpr int kBytes = 2;
  DEVICE float low(u32 pair) { return lowBf16(pair); }
  DEVICE float high(u32 pair) { return highBf16(pair); }
  DEVICE float widen(u16 bits) { return bf16ToF32(bits); }
  DEVICE u16 narrow(float x) { return f32ToBf16(x); }
  DEVICE u32 pack(float low, float high) { return packBf16(low, high); }
  DEVICE float round(float x) { return bf16ToF32(f32ToBf16(x)); }
};
