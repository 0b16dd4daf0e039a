// Packed weights as codegen/registry/PackedLayout.h lays them out: places of elements, and lanes' bytes as bf16 pairs.
#pragma once

/// Two bf16 made of 7 low bits each: 128 + bits.
constexpr u32 kBf16Of128 = 0x43004300u, kBf16Of1 = 0x3f803f80u;

/// Place of a pair of 16-bit numbers in a superblock; `row` and `col` inside it.
DEVICE int halfWordPlace(int row, int col) {
  return (row % 8 * 4 + col % 8 / 2) * 16 + (row / 8 + col / 8 * 2) * 4 + col % 2 * 2;
}

/// What a fragment layout is: columns and bytes of a superblock, groups of columns with a scale (0: none), whether
/// they have mins, words of codes of a lane; element(): one of its values; fragment(): a lane's codes of a step of 16
/// columns as whole numbers (or values, without groups) in bf16; kRest: what bf16 leaves of the values is a second
/// fragment; kUpper: bits of a code above its nibble, in words after those of the nibbles; kByteScales: scales and mins
/// are bytes, times f16 numbers of the row.
struct WholeCodes {
  static constexpr int kUpper = 0;
  static constexpr bool kByteScales = false;
};
struct Bf16M16K16 : WholeCodes {
  static constexpr int kCols = 16, kBytes = 512, kGroups = 0, kCodes = 4;
  static constexpr bool kMins = false, kRest = false;
  DEVICE float element(const u8 *block, int row, int col) {
    return bf16ToF32(*reinterpret_cast<const u16 *>(block + halfWordPlace(row, col)));
  }
  DEVICE Fragment fragment(const u32 *codes, int) { return {{codes[0], codes[1], codes[2], codes[3]}}; }
};
struct F16M16K16 : WholeCodes {
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
struct Q8M16K32 : WholeCodes {
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
struct Q4M16K64 : WholeCodes {
  static constexpr int kCols = 64, kBytes = 576, kGroups = 2, kCodes = 4;
  static constexpr bool kMins = false, kRest = false;
  DEVICE float element(const u8 *block, int row, int col) {
    const u16 scale = *reinterpret_cast<const u16 *>(block + 512 + row % 8 * 8 + col / 32 * 4 + row / 8 * 2);
    return f16ToF32(scale) * static_cast<float>(nibbleOf(block, row, col) - 8);
  }
  DEVICE Fragment fragment(const u32 *codes, int step) { return nibbleFragment(codes[step], 0xc308c308u); }
};
struct Q4M16K64Asym : WholeCodes {
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
struct Q4M16K128Asym : WholeCodes {
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

/// A code of kUpper bits above its nibble, in a superblock of kCols columns.
template <int kCols, int kUpper> DEVICE int codeOf(const u8 *block, int row, int col) {
  const int nibble = nibbleOf(block + col / 64 * 512, row, col % 64);
  if constexpr (kUpper == 0) {
    return nibble;
  } else {
    const int lane = row % 8 * 4 + col % 8 / 2, at = (col / 16 * 4 + row / 8 + col % 16 / 8 * 2) * kUpper;
    const u32 word = *reinterpret_cast<const u32 *>(block + kCols * 8 + lane * (kCols * kUpper / 16) + at / 16 * 4);
    return nibble | static_cast<int>(word >> (at % 16 + col % 2 * 16) & ((1u << kUpper) - 1)) << 4;
  }
}
/// Nibbles and the kUpper bits above them, which codes[2] has for two steps, as whole numbers: 128 + bits, less what
/// `minus` says.
template <int kUpper> DEVICE Fragment upperFragment(const u32 *codes, int step, u32 minus) {
  constexpr u32 kMask = kUpper == 1 ? 0x00100010u : 0x00300030u;
  Fragment r;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int at = kUpper * (step * 4 + i) - 4; // bits too far up; what crosses the halves is masked
    const u32 upper = (at < 0 ? codes[2] << -at : codes[2] >> at) & kMask;
    r.pair[i] = fmaBf16((codes[step] >> (4 * i) & 0x000f000fu) | upper | kBf16Of128, kBf16Of1, minus);
  }
  return r;
}
/// GGUF's Q5_0 and Q5_1.
template <bool kWithMins> struct FiveBits {
  static constexpr int kCols = 64, kGroups = 2, kUpper = 1, kCodes = 5, kBytes = kCodes * 128 + (kWithMins ? 128 : 64);
  static constexpr bool kMins = kWithMins, kRest = false, kByteScales = false;
  DEVICE float element(const u8 *block, int row, int col) {
    const u8 *group = block + kCodes * 128 + row % 8 * (kWithMins ? 16 : 8) + col / 32 * 4 + row / 8 * 2;
    const int code = codeOf<kCols, kUpper>(block, row, col);
    const float scale = f16ToF32(*reinterpret_cast<const u16 *>(group));
    if constexpr (kWithMins)
      return scale * static_cast<float>(code) + f16ToF32(*reinterpret_cast<const u16 *>(group + 8));
    return scale * static_cast<float>(code - 16);
  }
  DEVICE Fragment fragment(const u32 *codes, int step) {
    return upperFragment<kUpper>(codes, step, kWithMins ? 0xc300c300u : 0xc310c310u);
  }
};
using Q5M16K64 = FiveBits<false>;
using Q5M16K64Asym = FiveBits<true>;

/// Byte `i` of a word as a float, signed or not: exact, and faster than a conversion.
template <bool kSigned> DEVICE float byteToFloat(u32 word, int i) {
  const u32 byte = (word >> 8 * i & 0xffu) ^ (kSigned ? 0x80u : 0u);
  return __uint_as_float(0x4b000000u | byte) - (kSigned ? 8388736.0f : 8388608.0f);
}
/// GGUF's K types: kUpperBits above the nibbles. With mins a scale for 32 columns (Q4_K, Q5_K), else a signed one for
/// 16 (Q6_K).
template <int kUpperBits, bool kWithMins> struct ByteScaled {
  static constexpr int kCols = 128, kGroups = kWithMins ? 4 : 8, kUpper = kUpperBits, kCodes = 8 + 2 * kUpper;
  static constexpr int kBytes = kCodes * 128 + (kWithMins ? 192 : 160);
  static constexpr bool kMins = kWithMins, kRest = false, kByteScales = true;
  DEVICE float element(const u8 *block, int row, int col) {
    const u8 *scales = block + kCodes * 128 + row % 8 * 16 + row / 8;
    const u8 *numbers = block + kCodes * 128 + 128 + row % 8 * (kWithMins ? 8 : 4) + row / 8 * 2;
    const int code = codeOf<kCols, kUpper>(block, row, col), at = col / (kCols / kGroups) * 2;
    const float scale = f16ToF32(*reinterpret_cast<const u16 *>(numbers)) * byteToFloat<!kWithMins>(scales[at], 0);
    if constexpr (kWithMins)
      return scale * static_cast<float>(code) +
             f16ToF32(*reinterpret_cast<const u16 *>(numbers + 4)) * byteToFloat<false>(scales[8 + at], 0);
    return scale * static_cast<float>(code - 32);
  }
  DEVICE Fragment fragment(const u32 *codes, int step) {
    if constexpr (kUpper == 0)
      return nibbleFragment(codes[step], 0xc300c300u);
    else
      return upperFragment<kUpper>(codes, step, kWithMins ? 0xc300c300u : 0xc320c320u);
  }
};
using Q4KM16K128 = ByteScaled<0, true>;
using Q5KM16K128 = ByteScaled<1, true>;
using Q6KM16K128 = ByteScaled<2, false>;

/// 8-bit floats, 32 columns a superblock. x is e4m3, too, so that a pair of neighbours takes the place of one bf16: here
/// and in all sizes of product*.cuh a column is such a pair.
struct E4m3M16K32 : WholeCodes {
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
