// Bit operations, selections, permutations and packed integer products of PTX on raw register values.
#pragma once

#include "arithmetic.h"

namespace llmc::emu {

template <class T, u32 M>
LLMC_DEVICE Raw<T> opAnd(Raw<T> x, Raw<T> y) {
  return x & y;
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opOr(Raw<T> x, Raw<T> y) {
  return x | y;
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opXor(Raw<T> x, Raw<T> y) {
  return x ^ y;
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opNot(Raw<T> x) {
  if constexpr (kSame<T, Pred>)
    return !x;
  else
    return (Raw<T>)~x;
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opCnot(Raw<T> x) {
  return x == 0;
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opShl(Raw<T> x, u32 count) {
  return count >= sizeof(x) * 8 ? (Raw<T>)0 : (Raw<T>)(x << count);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opShr(Raw<T> x, u32 count) {
  constexpr u32 kBits = sizeof(x) * 8;
  if (count >= kBits) return kSigned<T> && (x >> (kBits - 1)) ? (Raw<T>)~(Raw<T>)0 : (Raw<T>)0;
  return (Raw<T>)((T)x >> count);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opSelp(Raw<T> x, Raw<T> y, bool condition) {
  return condition ? x : y;
}
template <class T, u32 M>
LLMC_DEVICE u32 opPopc(Raw<T> x) {
  return (u32)__builtin_popcountll(x);
}
template <class T, u32 M>
LLMC_DEVICE u32 opClz(Raw<T> x) {
  return x == 0 ? sizeof(x) * 8 : (u32)__builtin_clzll(x) - (64 - sizeof(x) * 8);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opBrev(Raw<T> x) {
  return sizeof(x) == 8 ? (Raw<T>)__builtin_bitreverse64(x) : (Raw<T>)__builtin_bitreverse32((u32)x);
}
/// The most significant bit that is not the sign; -1 when there is none.
template <class T, u32 M, bool Shift>
LLMC_DEVICE u32 findBit(Raw<T> x) {
  if (kSigned<T> && (T)x < 0) x = (Raw<T>)~x;
  if (x == 0) return ~0u;
  u32 leading = opClz<T, M>(x);
  return Shift ? leading : (u32)(sizeof(x) * 8 - 1 - leading);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opBfe(Raw<T> x, u32 position, u32 length) {
  constexpr u32 kBits = sizeof(x) * 8;
  position &= 255;
  length &= 255;
  u32 top = position + length - 1 < kBits - 1 ? position + length - 1 : kBits - 1;
  bool sign = kSigned<T> && length != 0 && ((x >> top) & 1);
  Raw<T> result = 0;
  for (u32 i = 0; i < kBits; ++i) {
    bool bit = i < length && position + i < kBits ? (x >> (position + i)) & 1 : sign;
    result |= (Raw<T>)bit << i;
  }
  return result;
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opBfi(Raw<T> insert, Raw<T> base, u32 position, u32 length) {
  constexpr u32 kBits = sizeof(base) * 8;
  position &= 255;
  length &= 255;
  if (position >= kBits || length == 0) return base;
  Raw<T> ones = length >= kBits ? (Raw<T>)~(Raw<T>)0 : (Raw<T>)(((Raw<T>)1 << length) - 1);
  Raw<T> mask = (Raw<T>)(ones << position);
  return (base & ~mask) | ((Raw<T>)(insert << position) & mask);
}
template <class T, u32 M>
LLMC_DEVICE u32 opLop3(u32 a, u32 b, u32 c, u32 table) {
  u32 result = 0;
  if (table & 0x01) result |= ~a & ~b & ~c;
  if (table & 0x02) result |= ~a & ~b & c;
  if (table & 0x04) result |= ~a & b & ~c;
  if (table & 0x08) result |= ~a & b & c;
  if (table & 0x10) result |= a & ~b & ~c;
  if (table & 0x20) result |= a & ~b & c;
  if (table & 0x40) result |= a & b & ~c;
  if (table & 0x80) result |= a & b & c;
  return result;
}
template <bool Left, bool Clamp>
LLMC_DEVICE u32 funnelShift(u32 low, u32 high, u32 count) {
  u32 n = Clamp ? (count < 32 ? count : 32) : count & 31;
  u64 both = (u64)high << 32 | low;
  return Left ? (u32)((both << n) >> 32) : (u32)(both >> n);
}

enum class Permute { kIndex, kForward4, kBackward4, kReplicate8, kEdgeLeft, kEdgeRight, kReplicate16 };

template <Permute P>
LLMC_DEVICE u32 opPrmt(u32 a, u32 b, u32 selector) {
  u64 bytes = (u64)b << 32 | a;
  u32 result = 0;
  for (u32 i = 0; i < 4; ++i) {
    u32 s = selector & 3, pick = 0;
    switch (P) {
      case Permute::kIndex:
        pick = (selector >> (4 * i)) & 15;
        break;
      case Permute::kForward4:
        pick = s + i;
        break;
      case Permute::kBackward4:
        pick = (s - i) & 7;
        break;
      case Permute::kReplicate8:
        pick = s;
        break;
      case Permute::kEdgeLeft:
        pick = i > s ? i : s;
        break;
      case Permute::kEdgeRight:
        pick = i < s ? i : s;
        break;
      case Permute::kReplicate16:
        pick = (s & 1) * 2 + (i & 1);
        break;
    }
    u32 byte = (u32)(bytes >> (8 * (pick & 7))) & 255;
    if (P == Permute::kIndex && (pick & 8)) byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}

/// Dot product of four bytes, or with dp2a of two halves of `a` with two bytes of `b`.
template <class A, class B>
LLMC_DEVICE u32 dotBytes(u32 a, u32 b, u32 c) {
  for (u32 i = 0; i < 4; ++i) c += (u32)((s32)(A)(a >> (8 * i)) * (s32)(B)(b >> (8 * i)));
  return c;
}
template <class A, class B, bool High>
LLMC_DEVICE u32 dotHalves(u32 a, u32 b, u32 c) {
  for (u32 i = 0; i < 2; ++i) c += (u32)((s32)(A)(a >> (16 * i)) * (s32)(B)(b >> (8 * i + (High ? 16 : 0))));
  return c;
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opSad(Raw<T> x, Raw<T> y, Raw<T> z) {
  return (Raw<T>)(((T)x < (T)y ? y - x : x - y) + z);
}
template <class T, u32 M>
LLMC_DEVICE Raw<T> opMul24(Raw<T> x, Raw<T> y) {
  return kSigned<T> ? (Raw<T>)((s64)((s32)(x << 8) >> 8) * ((s32)(y << 8) >> 8))
                    : (Raw<T>)((u64)(x & 0xffffff) * (y & 0xffffff));
}
/// testp: properties of a floating-point number.
enum class Property { kFinite, kInfinite, kNumber, kNotANumber, kNormal, kSubnormal };
template <class T, Property P>
LLMC_DEVICE bool testProperty(Raw<T> x) {
  auto a = view<T>(x);
  switch (P) {
    case Property::kFinite:
      return __builtin_isfinite(a);
    case Property::kInfinite:
      return __builtin_isinf(a);
    case Property::kNumber:
      return a == a;
    case Property::kNotANumber:
      return a != a;
    case Property::kNormal:
      return __builtin_isnormal(a);
    case Property::kSubnormal:
      return a != 0 && __builtin_isfinite(a) && !__builtin_isnormal(a);
  }
}

}  // namespace llmc::emu
