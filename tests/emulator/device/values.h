// Raw register values of translated kernels seen as PTX types: every register holds bits, every operation names its
// type.
#pragma once

#include "thread.h"

#define LLMC_DEVICE static inline __attribute__((always_inline))

namespace llmc::emu {

struct F16 {};
struct B16 {};
struct F16x2 {};
struct B16x2 {};
struct F32x2 {};
struct Pred {};

template <class T>
struct RawOf {
  using Type = T;
};
template <>
struct RawOf<s8> {
  using Type = u8;
};
template <>
struct RawOf<s16> {
  using Type = u16;
};
template <>
struct RawOf<s32> {
  using Type = u32;
};
template <>
struct RawOf<s64> {
  using Type = u64;
};
template <>
struct RawOf<float> {
  using Type = u32;
};
template <>
struct RawOf<double> {
  using Type = u64;
};
template <>
struct RawOf<F16> {
  using Type = u16;
};
template <>
struct RawOf<B16> {
  using Type = u16;
};
template <>
struct RawOf<F16x2> {
  using Type = u32;
};
template <>
struct RawOf<B16x2> {
  using Type = u32;
};
template <>
struct RawOf<F32x2> {
  using Type = u64;
};
template <>
struct RawOf<Pred> {
  using Type = bool;
};
template <class T>
using Raw = typename RawOf<T>::Type;

template <class A, class B>
constexpr bool kSame = false;
template <class A>
constexpr bool kSame<A, A> = true;
template <class T>
constexpr bool kSigned = kSame<T, s8> || kSame<T, s16> || kSame<T, s32> || kSame<T, s64>;
template <class T>
constexpr bool kInteger = kSigned<T> || kSame<T, u8> || kSame<T, u16> || kSame<T, u32> || kSame<T, u64>;
template <class T>
constexpr bool kPair = kSame<T, F16x2> || kSame<T, B16x2> || kSame<T, F32x2>;

/// The element of a pair.
template <class T>
struct HalfOf {
  using Type = F16;
};
template <>
struct HalfOf<B16x2> {
  using Type = B16;
};
template <>
struct HalfOf<F32x2> {
  using Type = float;
};

/// Modifiers of floating-point instructions, one bit each.
enum Mode : u32 {
  kFtz = 1,
  kSat = 2,
  kZero = 4,
  kDown = 8,
  kUp = 16,
  kNan = 32,
  kRelu = 64,
  kAbs = 128,
  kFinite = 256
};

template <class To, class From>
LLMC_DEVICE To bitCast(From value) {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, value);
}

LLMC_DEVICE float fromHalf(u16 raw) { return (float)bitCast<_Float16>(raw); }
LLMC_DEVICE u16 toHalf(float value) { return bitCast<u16>((_Float16)value); }
LLMC_DEVICE float fromBrain(u16 raw) { return bitCast<float>((u32)raw << 16); }
LLMC_DEVICE u16 toBrain(float value) {
  u32 bits = bitCast<u32>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (u16)((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

/// The number that raw bits stand for; halves become f32.
template <class T>
LLMC_DEVICE auto view(Raw<T> raw) {
  if constexpr (kSame<T, F16>)
    return fromHalf(raw);
  else if constexpr (kSame<T, B16>)
    return fromBrain(raw);
  else if constexpr (kSame<T, Pred>)
    return raw;
  else
    return bitCast<T>(raw);
}

template <class T, class V>
LLMC_DEVICE Raw<T> bits(V value) {
  if constexpr (kSame<T, F16>)
    return bitCast<u16>((_Float16)value);
  else if constexpr (kSame<T, B16>)
    return toBrain((float)value);
  else if constexpr (kSame<T, Pred>)
    return (bool)value;
  else
    return bitCast<Raw<T>>((T)value);
}

/// A result of type T in a register of type R: signed values are sign-extended.
template <class R, class T>
LLMC_DEVICE R widen(Raw<T> value) {
  if constexpr (kSigned<T>)
    return (R)(s64)(T)value;
  else
    return (R)value;
}

LLMC_DEVICE float flush(float value) {
  return (bitCast<u32>(value) & 0x7f800000u) == 0 ? bitCast<float>(bitCast<u32>(value) & 0x80000000u) : value;
}

template <class T, u32 M>
LLMC_DEVICE auto input(Raw<T> raw) {
  if constexpr (kSame<T, float> && (M & kFtz))
    return flush(bitCast<float>(raw));
  else
    return view<T>(raw);
}

template <class T, u32 M, class V>
LLMC_DEVICE Raw<T> finish(V value) {
  if constexpr ((M & kRelu) != 0) value = value > 0 ? value : (value != value ? value : (V)0);
  if constexpr ((M & kSat) != 0 && !kInteger<T>) value = value > 0 ? (value < 1 ? value : (V)1) : (V)0;
  if constexpr (kSame<T, float> && (M & kFtz)) return bits<float>(flush(value));
  return bits<T>(value);
}

/// Runs `compute` in the rounding direction of the mode: MXCSR bits 13-14 (1 down, 2 up, 3 to zero).
template <u32 M, class F>
LLMC_DEVICE auto rounded(F compute) {
  if constexpr ((M & (kZero | kDown | kUp)) == 0) {
    return compute();
  } else {
    constexpr u32 kDirection = M & kZero ? 3 : M & kUp ? 2 : 1;
    u32 saved = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr((saved & ~0x6000u) | kDirection << 13);
    __asm__ volatile("" ::: "memory");
    volatile auto value = compute();
    auto result = value;
    __builtin_ia32_ldmxcsr(saved);
    __asm__ volatile("" ::: "memory");
    return result;
  }
}

}  // namespace llmc::emu
