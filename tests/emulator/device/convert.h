// cvt of PTX in all its forms: between integers, floating-point types and packed small floats.
#pragma once

#include "arithmetic.h"

namespace llmc::emu {

struct E4m3x2 {};
struct E5m2x2 {};

/// How a float becomes an integral value.
enum class Round { kNone, kNearest, kZero, kDown, kUp };

template <Round R, class V>
LLMC_DEVICE V integral(V value) {
  switch (R) {
    case Round::kNearest:
      return (V)__builtin_rint((double)value);
    case Round::kZero:
      return (V)__builtin_trunc((double)value);
    case Round::kDown:
      return (V)__builtin_floor((double)value);
    case Round::kUp:
      return (V)__builtin_ceil((double)value);
    case Round::kNone:
      return value;
  }
}

/// Float to integer: NaN is 0 and what is out of range becomes the nearest end.
template <class T>
LLMC_DEVICE Raw<T> clampToInteger(double value) {
  constexpr u32 kBits = sizeof(T) * 8;
  constexpr double kTop = kSigned<T> ? (double)(1ull << (kBits - 1)) : (double)(1ull << (kBits - 1)) * 2.0;
  constexpr Raw<T> kMost = kSigned<T> ? (Raw<T>)((Raw<T>)~(Raw<T>)0 >> 1) : (Raw<T>)~(Raw<T>)0;
  if (value != value) return 0;
  if (value >= kTop) return kMost;
  if (value <= (kSigned<T> ? -kTop : 0.0)) return kSigned<T> ? (Raw<T>)(kMost + 1) : (Raw<T>)0;
  return (Raw<T>)(T)value;
}

template <class D, class S, u32 M>
LLMC_DEVICE Raw<D> integerToInteger(Raw<S> raw) {
  if constexpr ((M & kSat) != 0) {
    __int128 value = (S)raw;
    constexpr u32 kBits = sizeof(D) * 8;
    __int128 top = kSigned<D> ? ((__int128)1 << (kBits - 1)) - 1 : ((__int128)1 << kBits) - 1;
    __int128 bottom = kSigned<D> ? -top - 1 : 0;
    return (Raw<D>)(value > top ? top : value < bottom ? bottom : value);
  } else {
    return (Raw<D>)(D)(S)raw;
  }
}

/// Rounds to bf16 toward zero.
LLMC_DEVICE u16 truncateBrain(float value) { return value != value ? 0x7fff : (u16)(bitCast<u32>(value) >> 16); }
/// Rounds to f16 toward zero: one step back where the nearest lies further from zero.
LLMC_DEVICE u16 truncateHalf(float value) {
  u16 raw = toHalf(value);
  float back = fromHalf(raw);
  bool further = (back < 0 ? -back : back) > (value < 0 ? -value : value);
  return further ? (u16)(raw - 1) : raw;
}

template <class D, u32 M, class V>
LLMC_DEVICE Raw<D> roundFloat(V value) {
  if constexpr ((M & kRelu) != 0) value = value > 0 ? value : (value != value ? value : (V)0);
  if constexpr ((M & kSat) != 0) value = value > 0 ? (value < 1 ? value : (V)1) : (V)0;
  if constexpr (kSame<D, B16> && (M & kZero)) return truncateBrain((float)value);
  if constexpr (kSame<D, F16> && (M & kZero)) return truncateHalf((float)value);
  if constexpr (kSame<D, float> && (M & kFtz)) return bits<float>(flush((float)value));
  return bits<D>(value);
}

template <class D, class S, Round R, u32 M>
LLMC_DEVICE Raw<D> opCvt(Raw<S> raw) {
  if constexpr (kInteger<D> && kInteger<S>) {
    return integerToInteger<D, S, M>(raw);
  } else if constexpr (kInteger<D>) {
    return clampToInteger<D>((double)integral<R>(input<S, M>(raw)));
  } else if constexpr (kInteger<S>) {
    if constexpr (kSame<D, double>)
      return bits<D>(rounded<M>([&] { return (double)(S)raw; }));
    else
      return roundFloat<D, M>(rounded<M>([&] { return (float)(S)raw; }));
  } else {
    auto value = integral<R>(input<S, M>(raw));
    if constexpr (kSame<S, double> && kSame<D, float>) {
      volatile double guard = value;
      return roundFloat<D, M>(rounded<M>([&] { return (float)guard; }));
    } else {
      return roundFloat<D, M>(value);
    }
  }
}

/// Half of a pair; with satfinite what is too large becomes the largest finite number.
template <class H, u32 M>
LLMC_DEVICE u32 packHalf(u32 bits) {
  constexpr float kLargest = kSame<H, F16> ? 65504.0f : 0x1.fep127f;
  float value = bitCast<float>(bits);
  if ((M & kFinite) != 0 && value > kLargest) value = kLargest;
  if ((M & kFinite) != 0 && value < -kLargest) value = -kLargest;
  return roundFloat<H, M>(value);
}
/// Two f32 to a packed pair: the first operand becomes the upper half.
template <class D, u32 M>
LLMC_DEVICE u32 packPair(u32 high, u32 low) {
  using H = typename HalfOf<D>::Type;
  return packHalf<H, M>(high) << 16 | packHalf<H, M>(low);
}

/// One byte of e4m3 (bias 7, no infinity, NaN 0x7f) or e5m2 (bias 15, as the upper byte of f16).
template <class T>
LLMC_DEVICE float fromByte(u8 raw) {
  if constexpr (kSame<T, E5m2x2>) return fromHalf((u16)(raw << 8));
  u32 exponent = (raw >> 3) & 15, mantissa = raw & 7;
  float value = exponent == 0 ? (float)mantissa * 0x1p-9f
                              : (float)(8 + mantissa) * bitCast<float>((u32)(exponent + 127 - 7 - 3) << 23);
  if ((raw & 0x7f) == 0x7f) value = __builtin_nanf("");
  return raw & 128 ? -value : value;
}
/// To the nearest byte, ties to the even one, out of range to the largest finite value.
template <class T>
LLMC_DEVICE u8 toByte(float value) {
  constexpr u8 kLargest = kSame<T, E4m3x2> ? 0x7e : 0x7b;
  u8 sign = bitCast<u32>(value) >> 31 ? 128 : 0;
  float magnitude = value < 0 ? -value : value;
  if (value != value) return 0x7f;
  u8 low = 0, high = kLargest;
  while (high - low > 1) {
    u8 middle = (u8)((low + high) / 2);
    if (fromByte<T>(middle) <= magnitude) {
      low = middle;
    } else {
      high = middle;
    }
  }
  if (magnitude >= fromByte<T>(kLargest)) return sign | kLargest;
  float below = magnitude - fromByte<T>(low), above = fromByte<T>(high) - magnitude;
  return sign | (below < above || (below == above && !(low & 1)) ? low : high);
}
template <class T, u32 M>
LLMC_DEVICE u16 packBytes(u32 high, u32 low) {
  float a = bitCast<float>(high), b = bitCast<float>(low);
  if ((M & kRelu) && a < 0) a = 0;
  if ((M & kRelu) && b < 0) b = 0;
  return (u16)(toByte<T>(a) << 8 | toByte<T>(b));
}
template <class T, class Halves, u32 M>
LLMC_DEVICE u16 packBytesOfHalves(u32 pair) {
  using H = typename HalfOf<Halves>::Type;
  return packBytes<T, M>(bitCast<u32>(view<H>((u16)(pair >> 16))), bitCast<u32>(view<H>((u16)pair)));
}
template <class T, class Halves, u32 M>
LLMC_DEVICE u32 unpackBytes(u16 bytes) {
  return packPair<Halves, M>(bitCast<u32>(fromByte<T>((u8)(bytes >> 8))), bitCast<u32>(fromByte<T>((u8)bytes)));
}

}  // namespace llmc::emu
