// Byte layouts of packed weights: the one description that weight packing, kernel generation and inspection share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace llmc {

/// Element kind of a stored weight; the integer kinds carry a scale for each group along K.
enum class WeightKind : uint8_t { F32, F16, BF16, I8, I4, I5, I6, E4M3 };

/// How a weight's bytes lie in memory. All but Plain are cut in panels of 16 output rows, lane r = row r of the panel.
///   F32N16       [panel][k][16] f32
///   F16N16       [panel][k][16] f16, K padded to even so that every panel starts on a cache line
///   BF16N16K2    [panel][k/2][16] dword, high half k even, low half k odd; K padded to even
///   Q4N16K4Sym   [panel][K/64] superblock of 576 B: 8 lines, f16 scales [2][16];  value = scale * (q - 8)
///   Q4N16K4Asym  [panel][K/64] superblock of 640 B: 8 lines, f16 scales [2][16], f16 mins [2][16];  scale * q + min
///                line h*4+j, lane r, byte i: low nibble k = 64b+32h+4j+i, high nibble k+16
///   Q5N16K4Sym   704 B: 8 lines as above, 2 lines of fifth bits, f16 scales;  scale * (q - 16)
///   Q5N16K4Asym  768 B: the same and f16 mins;  scale * q + min
///                fifth bits: line h, lane r, byte i, bit s: bit 4 of k = 64b+32h+4s+i
///   Q8N16K4      [panel][K/64] superblock of 1088 B: 16 lines, f16 scales [2][16];  value = scale * (stored - 128)
///                line l, lane r, byte i: k = 64b+4l+i
///   Q4KN16K4     [panel] f16 (d, -dmin) [K/256][2][16], then [K/64] superblocks of 576 B: 8 lines, u8 scales [2][16],
///                u8 mins [2][16];  d * scale * q - dmin * min: what GGUF's Q4_K holds
///   Q5KN16K4     the same with 2 lines of fifth bits, 704 B: GGUF's Q5_K
///   Q6KN16K4     [panel] f16 d [K/256][16], padded to 64 B, then [K/64] superblocks of 832 B: 8 lines of nibbles, 4
///   lines
///                of upper bits, i8 scales [4][16] for 16 columns each;  d * scale * (q - 32): GGUF's Q6_K
///                upper bits: line 2h+j, lane r, byte i, bits 2s and 2s+1: bits 4 and 5 of k = 64b+32h+16j+4s+i
///   Plain        row-major f32 without padding (norm weights, biases, rope table)
/// Fragment layouts (CUDA): a superblock is what mma.m16n8k16 takes as its A operand, 16 bytes a lane of a warp. Lane
/// l = 4g + t holds of each step of 16 columns the pairs a0 (row g, k = 2t and 2t+1), a1 (row g+8, same k), a2 (row g,
/// k + 8) and a3 (row g+8, k + 8); lane l's bytes start at 16l.
///   BF16M16K16, F16M16K16  [panel][K/16] superblock of 512 B: dword i = a<i>, k even in the low half
///   Q8M16K32     [panel][K/32] superblock of 544 B: 2 steps of 2 dwords (a0 in bytes 0 and 2, a1 in 1 and 3; a2, a3),
///                f16 scales [g][row g, row g+8];  value = scale * (stored - 128)
///   Q4M16K64Sym  [panel][K/64] superblock of 576 B: 4 steps of 1 dword (a<i> in nibbles i and i+4), f16 scales
///                [g][group][row g, row g+8];  value = scale * (q - 8)
///   Q4M16K64Asym [panel][K/64] superblock of 640 B: the same codes, then for each g 4 scales and 4 mins, each
///                [group][row g, row g+8];  value = scale * q + min
///   Q4M16K128Asym [panel][K/128] superblock of 1088 B: codes of columns 0 to 63, then of 64 to 127, 512 B each as
///                above, then for each g the scales and the mins of [row g, row g+8]: one group;  scale * q + min
///   Q5M16K64Sym  704 B: codes of 4 bits as above, then 4 B a lane of fifth bits, then scales as above;
///                scale * (q - 16)
///   Q5M16K64Asym 768 B: the same with scales and mins;  scale * q + min
///   Q4KM16K128   [panel][K/128] superblock of 1216 B: codes of 4 bits as above, then for each g 4 u8 scales and 4 u8
///                mins, each [group][row g, row g+8], then for each g f16 d and -dmin, each [row g, row g+8]: those of
///                256 columns, twice;  d * scale * q - dmin * min
///   Q5KM16K128   1472 B: the same, with 8 B a lane of fifth bits behind the codes
///   Q6KM16K128   1696 B: 16 B a lane of upper bits, for each g 8 i8 scales for 16 columns each, for each g d;
///                d * scale * (q - 32)
///                upper bits: of a lane's step s and pair a<i> in bits n = upper bits * (4s + i) mod 16 of dword
///                upper bits * (4s + i) / 16, of its second column in bits n + 16
///   E4M3M16K32   [panel] f32 scales [16], then [K/32] superblocks of 512 B: what mma.m16n8k32 takes as its A operand,
///                lane 4g + t has in dword i row g + 8 (i mod 2), columns 16 (i / 2) + 4t to + 3;  scale * e4m3
enum class Layout : uint8_t {
  F32N16,
  F16N16,
  BF16N16K2,
  Q4N16K4Sym,
  Q4N16K4Asym,
  Q8N16K4,
  Plain,
  BF16M16K16,
  F16M16K16,
  Q8M16K32,
  Q4M16K64Sym,
  Q4M16K64Asym,
  Q5N16K4Sym,
  Q5N16K4Asym,
  Q4KN16K4,
  Q5KN16K4,
  Q6KN16K4,
  Q4M16K128Asym,
  E4M3M16K32,
  Q5M16K64Sym,
  Q5M16K64Asym,
  Q4KM16K128,
  Q5KM16K128,
  Q6KM16K128,
};

inline constexpr int64_t kPanelRows = 16;
inline constexpr int64_t kQuantGroup = 32;     ///< elements along K that share a scale
inline constexpr int64_t kWideGroup = 128;     ///< the same, of w4 with --group-size 128
inline constexpr int64_t kSuperblockCols = 64; ///< K of one quantized superblock
inline constexpr int64_t kLineBytes = 64;
inline constexpr int64_t kFragmentBytes = 512; ///< 32 lanes of 16 bytes: what a warp loads of a fragment layout at once

inline constexpr int64_t kScaleBlock = 256; ///< K that shares an f16 where scales are bytes

/// Numbers that tell the quantized layouts apart.
struct QuantFormat {
  int64_t bits = 0;        ///< of a code: 4, 5, 6 or 8; 0: not quantized
  int64_t zero = 0;        ///< stored code that stands for 0 (symmetric)
  bool asymmetric = false; ///< groups have mins
  bool byteScales = false; ///< scales and mins are bytes, times an f16 of the panel's header for each 256 columns
  int64_t group = 32;      ///< columns that share a scale
};
constexpr QuantFormat quantFormat(Layout l) {
  switch (l) {
  case Layout::Q4N16K4Sym:
  case Layout::Q4M16K64Sym:
    return {4, 8, false, false, 32};
  case Layout::Q4N16K4Asym:
  case Layout::Q4M16K64Asym:
    return {4, 0, true, false, 32};
  case Layout::Q4M16K128Asym:
    return {4, 0, true, false, kWideGroup};
  case Layout::Q5N16K4Sym:
  case Layout::Q5M16K64Sym:
    return {5, 16, false, false, 32};
  case Layout::Q5N16K4Asym:
  case Layout::Q5M16K64Asym:
    return {5, 0, true, false, 32};
  case Layout::Q8N16K4:
  case Layout::Q8M16K32:
    return {8, 128, false, false, 32};
  case Layout::Q4KN16K4:
  case Layout::Q4KM16K128:
    return {4, 0, true, true, 32};
  case Layout::Q5KN16K4:
  case Layout::Q5KM16K128:
    return {5, 0, true, true, 32};
  case Layout::Q6KN16K4:
  case Layout::Q6KM16K128:
    return {6, 32, false, true, 16};
  default:
    return {};
  }
}

/// Layout of a 2-D weight. `symmetric` matters for I4 and I5, `byteScales` for those that are not symmetric.
constexpr Layout layoutFor(WeightKind kind, bool symmetric, bool byteScales = false) {
  switch (kind) {
  case WeightKind::F32:
    return Layout::F32N16;
  case WeightKind::F16:
    return Layout::F16N16;
  case WeightKind::BF16:
    return Layout::BF16N16K2;
  case WeightKind::I8:
    return Layout::Q8N16K4;
  case WeightKind::I4:
    return symmetric ? Layout::Q4N16K4Sym : byteScales ? Layout::Q4KN16K4 : Layout::Q4N16K4Asym;
  case WeightKind::I5:
    return symmetric ? Layout::Q5N16K4Sym : byteScales ? Layout::Q5KN16K4 : Layout::Q5N16K4Asym;
  case WeightKind::I6:
    return Layout::Q6KN16K4;
  case WeightKind::E4M3: // rounded, for measuring: no CPU multiplies these
    return Layout::F32N16;
  }
  return Layout::Plain;
}

/// Fragment layout of a 2-D weight; none for F32, which the tensor cores cannot take exactly. I4 has groups of 32, and
/// of 128 when it is not symmetric; I6 has byte scales and groups of 16; `group` 0: the usual one.
constexpr std::optional<Layout> fragmentLayoutFor(WeightKind kind, bool symmetric, bool byteScales = false,
                                                  int64_t group = 0) {
  if (group > kQuantGroup)
    return kind == WeightKind::I4 && !symmetric && !byteScales && group == kWideGroup
               ? std::optional(Layout::Q4M16K128Asym)
               : std::nullopt;
  switch (kind) {
  case WeightKind::F16:
    return Layout::F16M16K16;
  case WeightKind::BF16:
    return Layout::BF16M16K16;
  case WeightKind::I8:
    return Layout::Q8M16K32;
  case WeightKind::I4:
    return symmetric ? Layout::Q4M16K64Sym : byteScales ? Layout::Q4KM16K128 : Layout::Q4M16K64Asym;
  case WeightKind::I5:
    return symmetric ? Layout::Q5M16K64Sym : byteScales ? Layout::Q5KM16K128 : Layout::Q5M16K64Asym;
  case WeightKind::I6:
    return Layout::Q6KM16K128;
  case WeightKind::E4M3:
    return Layout::E4M3M16K32;
  case WeightKind::F32:
    return std::nullopt;
  }
  return std::nullopt;
}

/// "f32n16", "q4n16k4", "q4n16k4-asym", "q6kn16k4", "q4m16k64", "plain" and so on: as stored in an engine.
std::string_view layoutName(Layout layout);
std::optional<Layout> layoutByName(std::string_view name);
/// The struct that describes a fragment layout in codegen/cuda/device/weights.cuh; empty for other layouts.
std::string_view deviceLayoutName(Layout layout);

/// Laid out for the tensor cores of a CUDA device.
constexpr bool isFragment(Layout l) {
  switch (l) {
  case Layout::BF16M16K16:
  case Layout::F16M16K16:
  case Layout::Q8M16K32:
  case Layout::Q4M16K64Sym:
  case Layout::Q4M16K64Asym:
  case Layout::Q4M16K128Asym:
  case Layout::E4M3M16K32:
  case Layout::Q5M16K64Sym:
  case Layout::Q5M16K64Asym:
  case Layout::Q4KM16K128:
  case Layout::Q5KM16K128:
  case Layout::Q6KM16K128:
    return true;
  default:
    return false;
  }
}
/// Codes of 8 bits, of 4 bits; and whether a group has a min beside its scale.
constexpr bool isEightBit(Layout l) { return quantFormat(l).bits == 8; }
constexpr bool isAsymmetric(Layout l) { return quantFormat(l).asymmetric; }
constexpr bool isFourBit(Layout l) { return quantFormat(l).bits == 4; }
constexpr bool isQuantized(Layout l) { return quantFormat(l).bits != 0; }
constexpr int64_t roundUpTo(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

/// Columns held by one superblock, the smallest repeating unit of a panel along K.
constexpr int64_t superblockCols(Layout l) {
  if (l == Layout::BF16M16K16 || l == Layout::F16M16K16)
    return 16;
  if (l == Layout::Q8M16K32 || l == Layout::E4M3M16K32)
    return 32;
  if (l == Layout::Q4M16K128Asym || l == Layout::Q4KM16K128 || l == Layout::Q5KM16K128 || l == Layout::Q6KM16K128)
    return 128;
  if (isQuantized(l))
    return kSuperblockCols;
  return l == Layout::F16N16 || l == Layout::BF16N16K2 ? 2 : 1;
}
/// Lines of nibbles or bytes that half a superblock (32 columns) has, and lines with the bits above the nibbles.
constexpr int64_t codeLines(Layout l) { return quantFormat(l).bits == 8 ? 8 : 4; }
constexpr int64_t upperLines(Layout l) { return quantFormat(l).bits == 8 ? 0 : quantFormat(l).bits - 4; }
/// Offset in a quantized superblock of the upper bits of half `h`, of the scales [64 / group][16], of the mins [2][16].
constexpr int64_t upperOffset(Layout l, int64_t h) { return (2 * codeLines(l) + h * upperLines(l)) * kLineBytes; }
constexpr int64_t scalesOffset(Layout l) {
  if (!isFragment(l))
    return upperOffset(l, 2);
  return isQuantized(l) ? kPanelRows * superblockCols(l) * quantFormat(l).bits / 8 : kFragmentBytes;
}
/// Scales that a row has in one superblock of a fragment layout.
constexpr int64_t superblockGroups(Layout l) { return isQuantized(l) ? superblockCols(l) / quantFormat(l).group : 0; }
/// Bytes of the scales (and mins) of rows g and g+8 in a superblock of a fragment layout, and of what these are
/// multiplied with: f16 numbers that come after all scales.
constexpr int64_t pairScaleBytes(Layout l) {
  return quantFormat(l).byteScales ? 16 : superblockGroups(l) * (isAsymmetric(l) ? 8 : 4);
}
constexpr int64_t pairHeaderBytes(Layout l) {
  return !isFragment(l) || !quantFormat(l).byteScales ? 0 : isAsymmetric(l) ? 8 : 4;
}
constexpr int64_t scaleBytes(Layout l) { return quantFormat(l).byteScales ? 1 : 2; }
constexpr int64_t minsOffset(Layout l) {
  if (isFragment(l)) // of the first row's mins: each row has its scales, then its mins
    return scalesOffset(l) + pairScaleBytes(l) / 2;
  return scalesOffset(l) + kSuperblockCols / quantFormat(l).group * kPanelRows * scaleBytes(l);
}
/// Bytes of one superblock (16 rows x superblockCols). Plain: bytes of one element.
constexpr int64_t superblockBytes(Layout l) {
  if (isFragment(l))
    return scalesOffset(l) + 8 * (pairScaleBytes(l) + pairHeaderBytes(l));
  if (isQuantized(l))
    return minsOffset(l) + (isAsymmetric(l) ? 2 * kPanelRows * scaleBytes(l) : 0);
  return l == Layout::Plain ? 4 : kLineBytes;
}

constexpr int64_t paddedRows(Layout l, int64_t rows) { return l == Layout::Plain ? rows : roundUpTo(rows, kPanelRows); }
constexpr int64_t paddedCols(Layout l, int64_t cols) { return roundUpTo(cols, superblockCols(l)); }
constexpr int64_t panelCount(Layout l, int64_t rows) {
  return l == Layout::Plain ? 1 : paddedRows(l, rows) / kPanelRows;
}

/// Bytes of the header's f16 numbers for 256 columns, and of a panel's whole header; 0 without byte scales.
constexpr int64_t headerBlockBytes(Layout l) {
  return quantFormat(l).byteScales && !isFragment(l) ? (quantFormat(l).asymmetric ? 2 : 1) * kPanelRows * 2 : 0;
}
constexpr int64_t headerBytes(Layout l, int64_t cols) {
  if (l == Layout::E4M3M16K32)
    return kPanelRows * 4;
  return roundUpTo(roundUpTo(cols, kScaleBlock) / kScaleBlock * headerBlockBytes(l), kLineBytes);
}
/// Bytes from one panel to the next: a multiple of 64, of 32 for fragment layouts. Not for Plain.
constexpr int64_t panelBytes(Layout l, int64_t cols) {
  return headerBytes(l, cols) + paddedCols(l, cols) / superblockCols(l) * superblockBytes(l);
}
/// Bytes of a whole packed [rows, cols] weight. The caller has bounded rows and cols (runtime/base/limits.h).
constexpr int64_t packedBytes(Layout l, int64_t rows, int64_t cols) {
  return l == Layout::Plain ? rows * cols * 4 : panelCount(l, rows) * panelBytes(l, cols);
}

/// Where one logical element lies: byte offset from the weight's start; for nibbles, whether it is the high one; for
/// 5 and 6 bits, where the bits above the nibble are.
struct ElementPlace {
  int64_t offset = 0;
  bool highNibble = false;
  int64_t upperOffset = -1; ///< byte that holds them; -1: there are none
  int64_t upperShift = 0;   ///< lowest of them in that byte
};
ElementPlace elementPlace(Layout l, int64_t cols, int64_t row, int64_t col);
/// Byte offset of the scale (and min, where the layout has mins) of the group that holds (row, col).
int64_t scalePlace(Layout l, int64_t cols, int64_t row, int64_t col);
int64_t minPlace(Layout l, int64_t cols, int64_t row, int64_t col);
/// Byte offset of the f32 scale of a row of E4M3M16K32.
int64_t rowScalePlace(int64_t cols, int64_t row);
/// Byte offset of the f16 that (row, col)'s scale is multiplied with, and from there to its min's. Byte scales only.
int64_t headerPlace(Layout l, int64_t cols, int64_t row, int64_t col);
constexpr int64_t headerMinStep(Layout l) { return isFragment(l) ? 4 : 2 * kPanelRows; }

/// Logical weight in the form that packing takes: `codes` row-major [rows][cols], one element each: float bits for
/// F32N16/Plain, f16 or bf16 bits, q from 0 on, or q in [-128,127] as int32. scales, mins: [rows][groups of a row]: f16
/// bits, or bytes (i8 bits for 6-bit codes). `blocks`: f16 bits of d [rows][blocks of 256 columns], `blockMins` of
/// dmin. `rowScales`: of E4M3M16K32, [rows].
struct LogicalWeight {
  int64_t rows = 0, cols = 0;
  const int32_t *codes = nullptr;
  const uint16_t *scales = nullptr;
  const uint16_t *mins = nullptr;
  const uint16_t *blocks = nullptr;
  const uint16_t *blockMins = nullptr;
  const float *rowScales = nullptr;
};

/// Scalar reference: writes packedBytes(l, rows, cols) bytes at `out`. Padding is the code of zero with scale 0.
void packReference(Layout l, const LogicalWeight &weight, uint8_t *out);
/// Scalar reference: element (row, col) of a packed weight as float.
float unpackElement(Layout l, const uint8_t *packed, int64_t cols, int64_t row, int64_t col);

/// IEEE half <-> float, to nearest even; by bits, the same on every machine. Too large becomes infinite.
float f16ToF32(uint16_t bits);
/// 8-bit floats of 4 and 3 bits: largest 448, no infinity; to nearest even, too large becomes 448.
float e4m3ToF32(uint8_t bits);
uint8_t f32ToE4M3(float value);
uint16_t f32ToF16(float value);

} // namespace llmc
