// Storage formats: f32, f16 and bf16, or codes of one byte with a scale, in memory; f32 in registers; rounding to nearest
// even.
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
/// The same, but what is too large becomes 65504.
DEVICE u32 packFiniteF16(float low, float high) {
  u32 bits;
  asm("cvt.rn.satfinite.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
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

/// Codes of numbers that share a scale: the largest, that of a number, and two of a word (bytes 0 and 1, or 2 and 3) as
/// f16, less kUnit times.
struct I8 {
  static constexpr int kBytes = 1;
  static constexpr float kMost = 127.0f, kUnit = 1.0f;
  DEVICE u32 code(float x) { return static_cast<u32>(max(-127, min(127, __float2int_rn(x)))) & 0xffu; }
  /// 1024 + 128 + code by bits, less 1152: exact.
  DEVICE u32 asF16(u32 word, int half) {
    const u32 raised = __byte_perm(word ^ 0x80808080u, 0x64646464u, half == 0 ? 0x4140 : 0x4342);
    u32 pair;
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(pair) : "r"(raised), "r"(0xe480e480u));
    return pair;
  }
};
struct E4m3 {
  static constexpr int kBytes = 1;
  static constexpr float kMost = 448.0f, kUnit = 256.0f;
  DEVICE u32 code(float x) { return f32ToE4m3(x); }
  /// Exact, subnormals included.
  DEVICE u32 asF16(u32 word, int half) {
    const u32 bytes = __byte_perm(word, 0, half == 0 ? 0x1404 : 0x3424);
    return (bytes & 0x80008000u) | (bytes >> 1 & 0x3f803f80u);
  }
};
/// Scale of numbers with their largest magnitude, and what they are multiplied with to be coded; zeros have 0.
template <typename Codes> DEVICE float codeScale(float largest) { return largest > 1e-30f ? largest / Codes::kMost : 0.0f; }
template <typename Codes> DEVICE float codeInverse(float largest) { return largest > 1e-30f ? Codes::kMost / largest : 0.0f; }
