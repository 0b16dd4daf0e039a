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
