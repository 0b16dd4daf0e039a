// Values of tensor-core elements by their bits.
#pragma once

#include "tests/emulator/device/convert.h"

namespace llmc::emu {

inline u32 elementBits(Element type) {
  switch (type) {
    case Element::kF16:
    case Element::kBf16:
      return 16;
    case Element::kTf32:
    case Element::kF32:
    case Element::kS32:
      return 32;
    case Element::kS4:
    case Element::kU4:
      return 4;
    default:
      return 8;
  }
}

inline float elementValue(u32 bits, Element type) {
  switch (type) {
    case Element::kF16:
      return fromHalf((u16)bits);
    case Element::kBf16:
      return fromBrain((u16)bits);
    case Element::kTf32:
      return bitCast<float>(bits & ~0x1fffu);  // the tensor cores read ten bits of fraction
    case Element::kF32:
      return bitCast<float>(bits);
    case Element::kS8:
      return (float)(s8)bits;
    case Element::kU8:
      return (float)(u8)bits;
    case Element::kE4m3:
      return fromByte<E4m3x2>((u8)bits);
    case Element::kE5m2:
      return fromByte<E5m2x2>((u8)bits);
    case Element::kS4:
      return (float)((s32)(bits << 28) >> 28);
    case Element::kU4:
      return (float)(bits & 15);
    case Element::kS32:
      return (float)(s32)bits;
  }
  return 0;
}

}  // namespace llmc::emu
