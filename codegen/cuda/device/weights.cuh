// Packed weights as codegen/registry/PackedLayout.h lays them out: places of elements, and lanes' bytes as bf16 pairs.
#pragma once

/// Two bf16 made of 7 low bits each: 128 + bits.
constexpr u32 kBf16Of128 = 0x43004300u, kBf16Of1 = 0x3f803f80u;

/// Place of a pair of 16-bit numbers in a superblock; `row` and `col` inside it.
DEVICE int halfWordPlace(int row, int col) {
  return (row % 8 * 4 + col % 8 / 2) * 16 + (row / 8 + col / 8 * 2) * 4 + col % 2 * 2;
}

/// What a fragment layout is: columns and bytes of a superblock, groups of columns with a scale (0: none), whether
/// they have mins, words of codes of a lane; element(): one of its values; fragment(): a lane's codes of a step of 16 columns as whole numbers
/// (or values, without groups) in bf16; kRest: what bf16 leaves of the values is a second fragment.
struct Bf16M16K16 {
  static constexpr int kCols = 16, kBytes = 512, kGroups = 0, kCodes = 4;
  static constexpr bool kMins = false, kRest = false;
  DEVICE float element(const u8 *block, int row, int col) {
    return bf16ToF32(*reinterpret_cast<const u16 *>(block + halfWordPlace(row, col)));
  }
  DEVICE Fragment fragment(const u32 *codes, int) { return {{codes[0], codes[1], codes[2], codes[3]}}; }
};
struct F16M16K16 {
  static constexpr int kCols = 16, kBytes = 512, kGroups = 0, kCodes = 4;
  static constexpr bool kMins = false, kRest = true;
  DEVICE float element(const u8 *block, int row, int col) {
    return f16ToF32(*reinterpret_cast<const u16 *>(block + halfWordPlace(row, col)));
  }
  DEVICE Fragment fragment(const u32 *codes, int) {
    Fragment r;
#pragma unroll
    for (int i = 0; i < 4; ++i)
      r.pair[i] = packBf16(lowF16(codes[i]), highF16(codes[i]));
    return r;
  }
  /// An f16 has 11 significant bits: bf16 takes 8 of them, the difference needs no more.
  DEVICE Fragment rest(const u32 *codes) {
    const Fragment near = fragment(codes, 0);
    Fragment r;
#pragma unroll
    for (int i = 0; i < 4; ++i)
      r.pair[i] = packBf16(lowF16(codes[i]) - lowBf16(near.pair[i]), highF16(codes[i]) - highBf16(near.pair[i]));
    return r;
  }
};
struct Q8M16K32 {
  static constexpr int kCols = 32, kBytes = 544, kGroups = 1, kCodes = 4;
  static constexpr bool kMins = false, kRest = false;
  DEVICE float element(const u8 *block, int row, int col) {
    const int k = col % 16, lane = row % 8 * 4 + k % 8 / 2;
    const int code = block[lane * 16 + col / 16 * 8 + k / 8 * 4 + k % 2 * 2 + row / 8];
    const u16 scale = *reinterpret_cast<const u16 *>(block + 512 + row % 8 * 4 + row / 8 * 2);
    return f16ToF32(scale) * static_cast<float>(code - 128);
  }
  /// Stored q + 128 in two bytes of a pair. The low 7 bits become 128 + bits, from which 128 is taken when the top bit
  /// is set and 256 when not: all exact in bf16.
  DEVICE Fragment fragment(const u32 *codes, int step) {
    Fragment r;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const u32 bytes = codes[step * 2 + i / 2] >> (i % 2 * 8);
      r.pair[i] = fmaBf16((bytes & 0x007f007fu) | kBf16Of128, kBf16Of1, (bytes & 0x00800080u) ^ 0xc380c380u);
    }
    return r;
  }
};
DEVICE int nibbleOf(const u8 *block, int row, int col) {
  const int k = col % 16, lane = row % 8 * 4 + k % 8 / 2;
  const u32 word = *reinterpret_cast<const u32 *>(block + lane * 16 + col / 16 * 4);
  return static_cast<int>(word >> (row / 8 * 4 + k / 8 * 8 + k % 2 * 16) & 15u);
}
/// Four bits of each half word as a whole number: 128 + bits, less what `minus` says.
DEVICE Fragment nibbleFragment(u32 codes, u32 minus) {
  Fragment r;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    r.pair[i] = fmaBf16((codes >> (4 * i) & 0x000f000fu) | kBf16Of128, kBf16Of1, minus);
  return r;
}
struct Q4M16K64 {
  static constexpr int kCols = 64, kBytes = 576, kGroups = 2, kCodes = 4;
  static constexpr bool kMins = false, kRest = false;
  DEVICE float element(const u8 *block, int row, int col) {
    const u16 scale = *reinterpret_cast<const u16 *>(block + 512 + row % 8 * 8 + col / 32 * 4 + row / 8 * 2);
    return f16ToF32(scale) * static_cast<float>(nibbleOf(block, row, col) - 8);
  }
  DEVICE Fragment fragment(const u32 *codes, int step) { return nibbleFragment(codes[step], 0xc308c308u); }
};
struct Q4M16K64Asym {
  static constexpr int kCols = 64, kBytes = 640, kGroups = 2, kCodes = 4;
  static constexpr bool kMins = true, kRest = false;
  DEVICE float element(const u8 *block, int row, int col) {
    const u8 *group = block + 512 + row % 8 * 16 + col / 32 * 4 + row / 8 * 2;
    const float scaled =
        f16ToF32(*reinterpret_cast<const u16 *>(group)) * static_cast<float>(nibbleOf(block, row, col));
    return scaled + f16ToF32(*reinterpret_cast<const u16 *>(group + 8));
  }
  DEVICE Fragment fragment(const u32 *codes, int step) { return nibbleFragment(codes[step], 0xc300c300u); }
};

/// One group of 128 columns: two runs of codes as above, 512 bytes each.
struct Q4M16K128Asym {
  static constexpr int kCols = 128, kBytes = 1088, kGroups = 1, kCodes = 8;
  static constexpr bool kMins = true, kRest = false;
  DEVICE float element(const u8 *block, int row, int col) {
    const u8 *group = block + 1024 + row % 8 * 8 + row / 8 * 2;
    const float scaled = f16ToF32(*reinterpret_cast<const u16 *>(group)) *
                         static_cast<float>(nibbleOf(block + col / 64 * 512, row, col % 64));
    return scaled + f16ToF32(*reinterpret_cast<const u16 *>(group + 4));
  }
  DEVICE Fragment fragment(const u32 *codes, int step) { return nibbleFragment(codes[step], 0xc300c300u); }
};

/// 8-bit floats, 32 columns a superblock. x is e4m3, too, so that a pair of neighbours takes the place of one bf16: here
/// and in all sizes of product*.cuh a column is such a pair.
struct E4m3M16K32 {
  static constexpr int kCols = 16, kBytes = 512, kGroups = 0, kCodes = 4;
  static constexpr bool kMins = false, kRest = false;
  DEVICE Fragment fragment(const u32 *codes, int) { return {{codes[0], codes[1], codes[2], codes[3]}}; }
};
/// Products of e4m3 pairs, and bytes of the scales before a panel's superblocks.
template <typename Layout> constexpr bool kIsE4m3 = false;
template <> constexpr bool kIsE4m3<E4m3M16K32> = true;
template <typename Layout> constexpr int kHeaderBytes = kIsE4m3<Layout> ? 64 : 0;

/// Element (row, col) of a packed weight of `paddedCols` columns (a multiple of the layout's).
template <typename Layout> DEVICE float weightElement(const void *base, i64 paddedCols, int row, int col) {
  const i64 block = row / 16 * (paddedCols / Layout::kCols) + col / Layout::kCols;
  return Layout::element(static_cast<const u8 *>(base) + block * Layout::kBytes, row % 16, col % Layout::kCols);
}

/// A superblock in registers: a lane's codes, and the scales (then mins) of its rows g and g+8, a pair for each group.
template <typename Layout> struct Held {
  static constexpr int kPairs = Layout::kGroups * (Layout::kMins ? 2 : 1);
  static constexpr int kScales = Layout::kCodes * 128; // offset of the scales
  u32 codes[Layout::kCodes];
  u32 scales[kPairs > 0 ? kPairs : 1];

  DEVICE Held zero() {
    Held r;
#pragma unroll
    for (int i = 0; i < Layout::kCodes; ++i)
      r.codes[i] = 0;
#pragma unroll
    for (int i = 0; i < (kPairs > 0 ? kPairs : 1); ++i)
      r.scales[i] = 0;
    return r;
  }
  /// From global memory, past the first-level cache: nothing reads it twice.
  DEVICE Held stream(const u8 *block, int lane) {
    Held r;
    const u8 *scales = block + kScales + lane / 4 * (kPairs * 4);
#pragma unroll
    for (int i = 0; i < Layout::kCodes; i += 4)
      asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                   : "=r"(r.codes[i]), "=r"(r.codes[i + 1]), "=r"(r.codes[i + 2]), "=r"(r.codes[i + 3])
                   : "l"(block + i * 128 + lane * 16));
    if constexpr (kPairs == 1)
      asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(r.scales[0]) : "l"(scales));
    else if constexpr (kPairs == 2)
      asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(r.scales[0]), "=r"(r.scales[1]) : "l"(scales));
    else if constexpr (kPairs == 4)
      asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
                   : "=r"(r.scales[0]), "=r"(r.scales[1]), "=r"(r.scales[2]), "=r"(r.scales[3])
                   : "l"(scales));
    return r;
  }
  /// Columns [32k, 32k + 32) of a superblock, or of two superblocks of 32, as the first.
  DEVICE Held group(const Held &first, const Held &second, int k) {
    Held r = first;
    if constexpr (Layout::kCols > 32) {
#pragma unroll
      for (int i = 1; i < Layout::kCols / 32; ++i)
        r.codes[0] = k == i ? first.codes[2 * i] : r.codes[0], r.codes[1] = k == i ? first.codes[2 * i + 1] : r.codes[1];
#pragma unroll
      for (int i = 0; Layout::kGroups == 2 && i < kPairs; i += 2)
        r.scales[i] = k == 0 ? first.scales[i] : first.scales[i + 1];
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        r.codes[i] = k == 0 ? first.codes[i] : second.codes[i];
      r.scales[0] = k == 0 ? first.scales[0] : second.scales[0];
    }
    return r;
  }
  /// Columns [32 group, 32 group + 32) from shared memory, as the first: in `block`, or in two superblocks of 16
  /// columns from there.
  DEVICE void loadGroup(Held (&r)[Layout::kCols < 32 ? 2 : 1], const u8 *block, int group, int lane) {
    if constexpr (Layout::kCols > 32) {
      const Words2 codes = *reinterpret_cast<const Words2 *>(block + group / 2 * 512 + lane * 16 + group % 2 * 8);
      r[0].codes[0] = codes.x, r[0].codes[1] = codes.y;
    } else {
#pragma unroll
      for (int i = 0; i < (Layout::kCols < 32 ? 2 : 1); ++i) {
        const Words4 codes = *reinterpret_cast<const Words4 *>(block + i * Layout::kBytes + lane * 16);
        r[i].codes[0] = codes.x, r[i].codes[1] = codes.y, r[i].codes[2] = codes.z, r[i].codes[3] = codes.w;
      }
    }
    const u8 *scales = block + kScales + lane / 4 * (kPairs * 4) + (Layout::kGroups == 2 ? group * 4 : 0);
#pragma unroll
    for (int i = 0; i < kPairs; i += Layout::kGroups)
      r[0].scales[i] = *reinterpret_cast<const u32 *>(scales + i * 4);
  }
};
