// Arithmetic of PTX on raw register values: integers of all widths, f16/bf16 (single and pairs), f32 and f64.
#pragma once

#include "values.h"

namespace llmc::emu {

/// Applies an element operation to both halves of a pair.
template <class T, class F, class... Args>
LLMC_DEVICE Raw<T> pairwise(F operation, Args... args) {
  using H = Raw<typename HalfOf<T>::Type>;
  constexpr u32 kBits = sizeof(H) * 8;
  Raw<T> low = operation((H)args...);
  Raw<T> high = operation((H)(args >> kBits)...);
  return low | (high << kBits);
}

// Two-operand floating point or integer operations; volatile keeps an operation inside its rounding direction.
#define LLMC_BINARY(NAME, INTEGER, FLOATING)                                                            \
  template <class T, u32 M>                                                                             \
  LLMC_DEVICE Raw<T> NAME(Raw<T> x, Raw<T> y) {                                                         \
    if constexpr (kPair<T>) {                                                                           \
      return pairwise<T>([](auto p, auto q) { return NAME<typename HalfOf<T>::Type, M>(p, q); }, x, y); \
    } else if constexpr (kInteger<T>) {                                                                 \
      return INTEGER;                                                                                   \
    } else if constexpr ((M & (kZero | kDown | kUp)) != 0) {                                            \
      volatile auto a = input<T, M>(x);                                                                 \
      volatile auto b = input<T, M>(y);                                                                 \
      return finish<T, M>(rounded<M>([&] { return FLOATING; }));                                        \
    } else {                                                                                            \
      auto a = input<T, M>(x);                                                                          \
      auto b = input<T, M>(y);                                                                          \
      return finish<T, M>(FLOATING);                                                                    \
    }                                                                                                   \
  }

template <class T, int Sign>
LLMC_DEVICE Raw<T> saturate(Raw<T> x, Raw<T> y) {
  T result;
  bool over = Sign > 0 ? __builtin_add_overflow((T)x, (T)y, &result) : __builtin_sub_overflow((T)x, (T)y, &result);
  if (!over) return (Raw<T>)result;
  Raw<T> top = (Raw<T>)~(Raw<T>)0 >> 1;
  return (T)x < 0 ? (Raw<T>)(top + 1) : top;
}

template <class T>
LLMC_DEVICE Raw<T> divideInteger(Raw<T> x, Raw<T> y) {
  if (y == 0) return (Raw<T>)~(Raw<T>)0;
  if (kSigned<T> && y == (Raw<T>)~(Raw<T>)0) return (Raw<T>)(0 - x);
  return (Raw<T>)((T)x / (T)y);
}

template <class T>
LLMC_DEVICE Raw<T> remainderInteger(Raw<T> x, Raw<T> y) {
  if (y == 0) return x;
  if (kSigned<T> && y == (Raw<T>)~(Raw<T>)0) return 0;
  return (Raw<T>)((T)x % (T)y);
}

LLMC_BINARY(opAdd, ((M & kSat) ? saturate<T, 1>(x, y) : (Raw<T>)(x + y)), a + b)
LLMC_BINARY(opSub, ((M & kSat) ? saturate<T, -1>(x, y) : (Raw<T>)(x - y)), a - b)
LLMC_BINARY(opMul, (Raw<T>)((u64)x * (u64)y), a* b)
LLMC_BINARY(opDiv, divideInteger<T>(x, y), a / b)
#undef LLMC_BINARY

template <class T, u32 M>
LLMC_DEVICE Raw<T> opRem(Raw<T> x, Raw<T> y) {
  return remainderInteger<T>(x, y);
}

/// min and max: of a number and a NaN the number, or with .NaN the canonical NaN; +0 is above -0.
template <class T, u32 M, bool Max>
LLMC_DEVICE Raw<T> extreme(Raw<T> x, Raw<T> y) {
  if constexpr (kPair<T>) {
    return pairwise<T>([](auto p, auto q) { return extreme<typename HalfOf<T>::Type, M, Max>(p, q); }, x, y);
  } else if constexpr (kInteger<T>) {
    T a = (T)x, b = (T)y;
    T result = (Max ? a > b : a < b) ? a : b;
    if ((M & kRelu) && result < 0) result = 0;
    return (Raw<T>)result;
  } else {
    auto a = input<T, M>(x);
    auto b = input<T, M>(y);
    if constexpr ((M & kAbs) != 0) {
      a = a < 0 ? -a : a;
      b = b < 0 ? -b : b;
    }
    bool nan = (M & kNan) && (a != a || b != b);
    if (nan) return bits<T>((decltype(a))__builtin_nanf(""));
    auto result = a;
    if (a != a || (b == b && (Max ? b > a : b < a))) result = b;
    if (a == b && (__builtin_signbit(a) ? Max : !Max)) result = b;
    return finish<T, M>(result);
  }
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opMin(Raw<T> x, Raw<T> y) {
  return extreme<T, M, false>(x, y);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opMax(Raw<T> x, Raw<T> y) {
  return extreme<T, M, true>(x, y);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opMin(Raw<T> x, Raw<T> y, Raw<T> z) {
  return opMin<T, M>(opMin<T, M>(x, y), z);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opMax(Raw<T> x, Raw<T> y, Raw<T> z) {
  return opMax<T, M>(opMax<T, M>(x, y), z);
}

template <class T, class V>
LLMC_DEVICE auto fusedMultiplyAdd(V a, V b, V c) {
  if constexpr (kSame<T, double>)
    return __builtin_fma(a, b, c);
  else
    return __builtin_fmaf(a, b, c);
}

template <class T, u32 M>
LLMC_DEVICE Raw<T> opFma(Raw<T> x, Raw<T> y, Raw<T> z) {
  if constexpr (kPair<T>) {
    return pairwise<T>([](auto p, auto q, auto r) { return opFma<typename HalfOf<T>::Type, M>(p, q, r); }, x, y, z);
  } else if constexpr (kSame<T, F16> || kSame<T, B16>) {
    return finish<T, M>((double)view<T>(x) * view<T>(y) + view<T>(z));
  } else {
    if constexpr ((M & (kZero | kDown | kUp)) != 0) {
      volatile auto a = input<T, M>(x);
      volatile auto b = input<T, M>(y);
      volatile auto c = input<T, M>(z);
      return finish<T, M>(rounded<M>([&] { return fusedMultiplyAdd<T>(a, b, c); }));
    } else {
      return finish<T, M>(fusedMultiplyAdd<T>(input<T, M>(x), input<T, M>(y), input<T, M>(z)));
    }
  }
}

template <class T>
struct WideOf {
  using Type = __int128;
};
template <>
struct WideOf<u64> {
  using Type = unsigned __int128;
};
template <>
struct WideOf<s32> {
  using Type = s64;
};
template <>
struct WideOf<u32> {
  using Type = u64;
};
template <>
struct WideOf<s16> {
  using Type = s32;
};
template <>
struct WideOf<u16> {
  using Type = u32;
};
template <class T>
using Wide = typename WideOf<T>::Type;

template <class T, u32 M>
LLMC_DEVICE Raw<T> opMulHigh(Raw<T> x, Raw<T> y) {
  return (Raw<T>)(((Wide<T>)(T)x * (Wide<T>)(T)y) >> (sizeof(T) * 8));
}
template <class T, u32 M>
LLMC_DEVICE Raw<Wide<T>> opMulWide(Raw<T> x, Raw<T> y) {
  return (Raw<Wide<T>>)((Wide<T>)(T)x * (Wide<T>)(T)y);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opMad(Raw<T> x, Raw<T> y, Raw<T> z) {
  if constexpr (kInteger<T>)
    return (Raw<T>)((u64)x * (u64)y + z);
  else
    return opFma<T, M>(x, y, z);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opMadHigh(Raw<T> x, Raw<T> y, Raw<T> z) {
  return opAdd<T, M>(opMulHigh<T, 0>(x, y), z);
}
template <class T, u32 M>
LLMC_DEVICE Raw<Wide<T>> opMadWide(Raw<T> x, Raw<T> y, Raw<Wide<T>> z) {
  return (Raw<Wide<T>>)(opMulWide<T, M>(x, y) + z);
}

template <class T, u32 M>
LLMC_DEVICE Raw<T> opNeg(Raw<T> x) {
  if constexpr (kPair<T>)
    return pairwise<T>([](auto p) { return opNeg<typename HalfOf<T>::Type, M>(p); }, x);
  else if constexpr (kInteger<T>)
    return (Raw<T>)(0 - x);
  else
    return (Raw<T>)((M & kFtz ? bits<T>(input<T, M>(x)) : x) ^ ((Raw<T>)1 << (sizeof(x) * 8 - 1)));
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opAbs(Raw<T> x) {
  if constexpr (kPair<T>)
    return pairwise<T>([](auto p) { return opAbs<typename HalfOf<T>::Type, M>(p); }, x);
  else if constexpr (kInteger<T>)
    return (T)x < 0 ? (Raw<T>)(0 - x) : x;
  else
    return (Raw<T>)((M & kFtz ? bits<T>(input<T, M>(x)) : x) & ~((Raw<T>)1 << (sizeof(x) * 8 - 1)));
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opCopysign(Raw<T> sign, Raw<T> x) {
  constexpr Raw<T> kTop = (Raw<T>)1 << (sizeof(Raw<T>) * 8 - 1);
  return (x & ~kTop) | (sign & kTop);
}

// One-operand functions; f16 and bf16 compute in f32, pairs element by element.
#define LLMC_FUNCTION(NAME, SINGLE, DOUBLE)                                                \
  template <class T, u32 M>                                                                \
  LLMC_DEVICE Raw<T> NAME(Raw<T> x) {                                                      \
    if constexpr (kPair<T>) {                                                              \
      return pairwise<T>([](auto p) { return NAME<typename HalfOf<T>::Type, M>(p); }, x);  \
    } else if constexpr ((M & (kZero | kDown | kUp)) != 0) {                               \
      volatile auto a = input<T, M>(x);                                                    \
      return finish<T, M>(rounded<M>([&] { return kSame<T, double> ? DOUBLE : SINGLE; })); \
    } else {                                                                               \
      auto a = input<T, M>(x);                                                             \
      return finish<T, M>((decltype(a))(kSame<T, double> ? DOUBLE : SINGLE));              \
    }                                                                                      \
  }
LLMC_FUNCTION(opSqrt, __builtin_sqrtf((float)a), __builtin_sqrt(a))
LLMC_FUNCTION(opRsqrt, 1.0f / __builtin_sqrtf((float)a), 1.0 / __builtin_sqrt(a))
LLMC_FUNCTION(opRcp, 1.0f / (float)a, 1.0 / a)
LLMC_FUNCTION(opEx2, __builtin_exp2f((float)a), __builtin_exp2(a))
LLMC_FUNCTION(opLg2, __builtin_log2f((float)a), __builtin_log2(a))
LLMC_FUNCTION(opSin, __builtin_sinf((float)a), __builtin_sin(a))
LLMC_FUNCTION(opCos, __builtin_cosf((float)a), __builtin_cos(a))
LLMC_FUNCTION(opTanh, __builtin_tanhf((float)a), __builtin_tanh(a))
#undef LLMC_FUNCTION

/// Comparisons: the u forms are true when an operand is NaN.
enum class Compare { kEq, kNe, kLt, kLe, kGt, kGe, kEqu, kNeu, kLtu, kLeu, kGtu, kGeu, kNum, kNan };

template <Compare C, class V>
LLMC_DEVICE bool compareValues(V a, V b) {
  bool unordered = a != a || b != b;
  switch (C) {
    case Compare::kEq:
      return a == b;
    case Compare::kNe:
      return !unordered && a != b;
    case Compare::kLt:
      return a < b;
    case Compare::kLe:
      return a <= b;
    case Compare::kGt:
      return a > b;
    case Compare::kGe:
      return a >= b;
    case Compare::kEqu:
      return unordered || a == b;
    case Compare::kNeu:
      return unordered || a != b;
    case Compare::kLtu:
      return unordered || a < b;
    case Compare::kLeu:
      return unordered || a <= b;
    case Compare::kGtu:
      return unordered || a > b;
    case Compare::kGeu:
      return unordered || a >= b;
    case Compare::kNum:
      return !unordered;
    case Compare::kNan:
      return unordered;
  }
}
template <class T, u32 M, Compare C>
LLMC_DEVICE bool compare(Raw<T> x, Raw<T> y) {
  return compareValues<C>(input<T, M>(x), input<T, M>(y));
}

}  // namespace llmc::emu
