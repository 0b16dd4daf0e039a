// Packed weights as codegen/registry/PackedLayout.h lays them out: places of elements, and lanes' bytes as bf16 pairs.
#pragma once

/// bf16 pairs that a lane feeds to mma.m16n8k16 as operand A for one step of 16 columns.
struct Fragment {
  u32 pair[4];
};

/// Place of a pair of 16-bit numbers in a superblock; `row` and `col` inside it.
DEVICE int halfWordPlace(int row, int col) {
  return (row % 8 * 4 + col % 8 / 2) * 16 + (row / 8 + col / 8 * 2) * 4 + col % 2 * 2;
}

/// Columns, bytes and codes of a superblock, and one element of it. kGroups: groups of 32 columns with a scale, 0 none.
struct Bf16M16K16 {
  static constexpr int kCols = 16, kBytes = 512, kGroups = 0;
  static constexpr bool kMins = false;
  DEVICE float element(const u8 *block, int row, int col) {
    return bf16ToF32(*reinterpret_cast<const u16 *>(block + halfWordPlace(row, col)));
  }
};
struct F16M16K16 {
  static constexpr int kCols = 16, kBytes = 512, kGroups = 0;
  static constexpr bool kMins = false;
  DEVICE float element(const u8 *block, int row, int col) {
    return f16ToF32(*reinterpret_cast<const u16 *>(block + halfWordPlace(row, col)));
  }
};
struct Q8M16K32 {
  static constexpr int kCols = 32, kBytes = 544, kGroups = 1;
  static constexpr bool kMins = false;
  DEVICE float element(const u8 *block, int row, int col) {
    const int k = col % 16, lane = row % 8 * 4 + k % 8 / 2;
    const int code = block[lane * 16 + col / 16 * 8 + k / 8 * 4 + k % 2 * 2 + row / 8];
    const u16 scale = *reinterpret_cast<const u16 *>(block + 512 + row % 8 * 4 + row / 8 * 2);
    return f16ToF32(scale) * static_cast<float>(code - 128);
  }
};
DEVICE int nibbleOf(const u8 *block, int row, int col) {
  const int k = col % 16, lane = row % 8 * 4 + k % 8 / 2;
  const u32 word = *reinterpret_cast<const u32 *>(block + lane * 16 + col / 16 * 4);
  return static_cast<int>(word >> (row / 8 * 4 + k / 8 * 8 + k % 2 * 16) & 15u);
}
struct Q4M16K64 {
  static constexpr int kCols = 64, kBytes = 576, kGroups = 2;
  static constexpr bool kMins = false;
  DEVICE float element(const u8 *block, int row, int col) {
    const u16 scale = *reinterpret_cast<const u16 *>(block + 512 + row % 8 * 8 + col / 32 * 4 + row / 8 * 2);
    return f16ToF32(scale) * static_cast<float>(nibbleOf(block, row, col) - 8);
  }
};
struct Q4M16K64Asym {
  static constexpr int kCols = 64, kBytes = 640, kGroups = 2;
  static constexpr bool kMins = true;
  DEVICE float element(const u8 *block, int row, int col) {
    const u8 *group = block + 512 + row % 8 * 16 + col / 32 * 4 + row / 8 * 2;
    const float scaled = f16ToF32(*reinterpret_cast<const u16 *>(group)) * static_cast<float>(nibbleOf(block, row, col));
    return scaled + f16ToF32(*reinterpret_cast<const u16 *>(group + 8));
  }
};

/// Element (row, col) of a packed weight of `paddedCols` columns (a multiple of the layout's).
template <typename Layout> DEVICE float weightElement(const void *base, i64 paddedCols, int row, int col) {
  const i64 block = row / 16 * (paddedCols / Layout::kCols) + col / Layout::kCols;
  return Layout::element(static_cast<const u8 *>(base) + block * Layout::kBytes, row % 16, col % Layout::kCols);
}
