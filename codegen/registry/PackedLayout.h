// Byte layouts of packed weights: the one description that weight packing, kernel generation and inspection share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace llmc {

/// Element kind of a stored weight; I8 and I4 carry a scale for each group of 32 along K.
enum class WeightKind : uint8_t { F32, F16, BF16, I8, I4 };

/// How a weight's bytes lie in memory. All but Plain are cut in panels of 16 output rows, lane r = row r of the panel.
///   F32N16       [panel][k][16] f32
///   F16N16       [panel][k][16] f16, K padded to even so that every panel starts on a cache line
///   BF16N16K2    [panel][k/2][16] dword, high half k even, low half k odd; K padded to even
///   Q4N16K4Sym   [panel][K/64] superblock of 576 B: 8 lines, f16 scales [2][16];  value = scale * (q - 8)
///   Q4N16K4Asym  [panel][K/64] superblock of 640 B: 8 lines, f16 scales [2][16], f16 mins [2][16];  scale * q + min
///                line h*4+j, lane r, byte i: low nibble k = 64b+32h+4j+i, high nibble k+16
///   Q8N16K4      [panel][K/64] superblock of 1088 B: 16 lines, f16 scales [2][16];  value = scale * (stored - 128)
///                line l, lane r, byte i: k = 64b+4l+i
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
};

inline constexpr int64_t kPanelRows = 16;
inline constexpr int64_t kQuantGroup = 32;     ///< elements along K that share a scale
inline constexpr int64_t kSuperblockCols = 64; ///< K of one quantized superblock
inline constexpr int64_t kLineBytes = 64;
inline constexpr int64_t kFragmentBytes = 512; ///< codes of a fragment layout's superblock: 32 lanes of 16 bytes

/// Layout of a 2-D weight. `symmetric` matters for I4 only.
constexpr Layout layoutFor(WeightKind kind, bool symmetric) {
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
    return symmetric ? Layout::Q4N16K4Sym : Layout::Q4N16K4Asym;
  }
  return Layout::Plain;
}

/// Fragment layout of a 2-D weight; none for F32, which the tensor cores cannot take exactly.
constexpr std::optional<Layout> fragmentLayoutFor(WeightKind kind, bool symmetric) {
  switch (kind) {
  case WeightKind::F32:
    return std::nullopt;
  case WeightKind::F16:
    return Layout::F16M16K16;
  case WeightKind::BF16:
    return Layout::BF16M16K16;
  case WeightKind::I8:
    return Layout::Q8M16K32;
  case WeightKind::I4:
    return symmetric ? Layout::Q4M16K64Sym : Layout::Q4M16K64Asym;
  }
  return std::nullopt;
}

/// "f32n16", "f16n16", "bf16n16k2", "q4n16k4", "q4n16k4-asym", "q8n16k4", "plain", "bf16m16k16", "f16m16k16",
/// "q8m16k32", "q4m16k64", "q4m16k64-asym": as stored in an engine.
std::string_view layoutName(Layout layout);
std::optional<Layout> layoutByName(std::string_view name);
/// The struct that describes a fragment layout in codegen/cuda/device/weights.cuh; empty for other layouts.
std::string_view deviceLayoutName(Layout layout);

/// Laid out for the tensor cores of a CUDA device.
constexpr bool isFragment(Layout l) {
  return l == Layout::BF16M16K16 || l == Layout::F16M16K16 || l == Layout::Q8M16K32 || l == Layout::Q4M16K64Sym ||
         l == Layout::Q4M16K64Asym;
}
/// Codes of 8 bits, of 4 bits; and whether a group has a min beside its scale.
constexpr bool isEightBit(Layout l) { return l == Layout::Q8N16K4 || l == Layout::Q8M16K32; }
constexpr bool isAsymmetric(Layout l) { return l == Layout::Q4N16K4Asym || l == Layout::Q4M16K64Asym; }
constexpr bool isFourBit(Layout l) { return l == Layout::Q4N16K4Sym || l == Layout::Q4M16K64Sym || isAsymmetric(l); }
constexpr bool isQuantized(Layout l) { return isEightBit(l) || isFourBit(l); }
constexpr int64_t roundUpTo(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

/// Columns held by one superblock, the smallest repeating unit of a panel along K.
constexpr int64_t superblockCols(Layout l) {
  if (l == Layout::BF16M16K16 || l == Layout::F16M16K16)
    return 16;
  if (l == Layout::Q8M16K32)
    return 32;
  if (isQuantized(l))
    return kSuperblockCols;
  return l == Layout::F16N16 || l == Layout::BF16N16K2 ? 2 : 1;
}
/// Bytes of one superblock (16 rows x superblockCols). Plain: bytes of one element.
constexpr int64_t superblockBytes(Layout l) {
  switch (l) {
  case Layout::F32N16:
    return 64;
  case Layout::F16N16:
  case Layout::BF16N16K2:
    return 64;
  case Layout::Q4N16K4Sym:
    return 8 * kLineBytes + 64;
  case Layout::Q4N16K4Asym:
    return 8 * kLineBytes + 128;
  case Layout::Q8N16K4:
    return 16 * kLineBytes + 64;
  case Layout::Plain:
    return 4;
  case Layout::BF16M16K16:
  case Layout::F16M16K16:
    return kFragmentBytes;
  case Layout::Q8M16K32:
    return kFragmentBytes + 32;
  case Layout::Q4M16K64Sym:
    return kFragmentBytes + 64;
  case Layout::Q4M16K64Asym:
    return kFragmentBytes + 128;
  }
  return 0;
}
/// Offset of the first f16 scale in a quantized superblock, and of the first min of an asymmetric one.
constexpr int64_t scalesOffset(Layout l) { return l == Layout::Q8N16K4 ? 16 * kLineBytes : 8 * kLineBytes; }
constexpr int64_t minsOffset(Layout l) { return scalesOffset(l) + (isFragment(l) ? 8 : 64); }

constexpr int64_t paddedRows(Layout l, int64_t rows) { return l == Layout::Plain ? rows : roundUpTo(rows, kPanelRows); }
constexpr int64_t paddedCols(Layout l, int64_t cols) { return roundUpTo(cols, superblockCols(l)); }
constexpr int64_t panelCount(Layout l, int64_t rows) {
  return l == Layout::Plain ? 1 : paddedRows(l, rows) / kPanelRows;
}

/// Bytes from one panel to the next: a multiple of 64, of 32 for fragment layouts. Not for Plain.
constexpr int64_t panelBytes(Layout l, int64_t cols) {
  return paddedCols(l, cols) / superblockCols(l) * superblockBytes(l);
}
/// Bytes of a whole packed [rows, cols] weight. The caller has bounded rows and cols (runtime/base/limits.h).
constexpr int64_t packedBytes(Layout l, int64_t rows, int64_t cols) {
  return l == Layout::Plain ? rows * cols * 4 : panelCount(l, rows) * panelBytes(l, cols);
}

/// Where one logical element lies: byte offset from the weight's start; for nibbles, whether it is the high one.
struct ElementPlace {
  int64_t offset = 0;
  bool highNibble = false;
};
ElementPlace elementPlace(Layout l, int64_t cols, int64_t row, int64_t col);
/// Byte offset of the f16 scale (and min, if asymmetric) of the group that holds (row, col).
int64_t scalePlace(Layout l, int64_t cols, int64_t row, int64_t col);
int64_t minPlace(Layout l, int64_t cols, int64_t row, int64_t col);

/// Logical weight in the form that packing takes: `codes` row-major [rows][cols], one element each: float bits for
/// F32N16/Plain, f16 or bf16 bits, q in [0,15], or q in [-128,127] as int32. scales/mins: f16 bits
/// [rows][ceil(cols/32)].
struct LogicalWeight {
  int64_t rows = 0, cols = 0;
  const int32_t *codes = nullptr;
  const uint16_t *scales = nullptr;
  const uint16_t *mins = nullptr;
};

/// Scalar reference: writes packedBytes(l, rows, cols) bytes at `out`. Padding is the code of zero with scale 0.
void packReference(Layout l, const LogicalWeight &weight, uint8_t *out);
/// Scalar reference: element (row, col) of a packed weight as float.
float unpackElement(Layout l, const uint8_t *packed, int64_t cols, int64_t row, int64_t col);

/// IEEE half <-> float, to nearest even; by bits, the same on every machine. Too large becomes infinite.
float f16ToF32(uint16_t bits);
uint16_t f32ToF16(float value);

} // namespace llmc
