// Quantization of 16 rows by 32 or 128 columns at a time, one row a vector lane: the inner loop of weight packing.
#pragma once

#include <cstdint>

namespace llmc {

/// Faults of a group, one bit a lane: bits 0-15 a NaN or infinite value, bits 16-31 a scale or min that f16 cannot
/// hold.
using LaneFaults = uint32_t;

/// x: [32][16] floats, 64-byte aligned, x[k][lane]. Writes the group's lines (8 for i8, 4 for i4; [16] dwords each, as
/// in PackedLayout.h), its f16 scales [16] and, asymmetric only, mins [16]. Wide ones take x: [128][16] and write the
/// lines of four groups, whose scales and mins are the same.
using GroupQuantizer = LaneFaults (*)(const float* x, uint32_t* lines, uint16_t* scales, uint16_t* mins);

/// The same results on every CPU: lanes never mix and sums run in a fixed order.
struct GroupQuantizers {
  GroupQuantizer i8;
  GroupQuantizer i4Sym, i4Asym;              ///< scale search by plain squared error
  GroupQuantizer i4SymSquare, i4AsymSquare;  ///< error weighted by the element's square
  GroupQuantizer i4Wide, i4WideSquare;       ///< asymmetric, groups of 128
};

/// Compiled for the widest vectors of this machine.
const GroupQuantizers& groupQuantizers();
/// Compiled for any x86-64: for tests that both agree.
const GroupQuantizers& portableQuantizers();

}  // namespace llmc
