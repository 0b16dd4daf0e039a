// Superblocks of packed weights on their way to the tensor cores: in registers, and groups of 32 columns of them.
#pragma once

/// A superblock in registers: a lane's codes, and of its rows g and g+8 the scales (then mins), a pair for each group.
/// With byte scales these are four words of bytes, then a pair of f16 that the scales are multiplied with, one for mins.
template <typename Layout> struct Held {
  static constexpr int kScaleWords = Layout::kByteScales ? 4 : Layout::kGroups * (Layout::kMins ? 2 : 1);
  static constexpr int kNumberWords = !Layout::kByteScales ? 0 : Layout::kMins ? 2 : 1;
  static constexpr int kWords = kScaleWords + kNumberWords;
  static constexpr int kScales = Layout::kCodes * 128; // offset of the scales
  static constexpr int kUpperWords = Layout::kCols * Layout::kUpper / 64, kNibbles = Layout::kCodes - kUpperWords;
  u32 codes[Layout::kCodes];
  u32 scales[kWords > 0 ? kWords : 1];

  DEVICE Held zero() {
    Held r;
#pragma unroll
    for (int i = 0; i < Layout::kCodes; ++i)
      r.codes[i] = 0;
#pragma unroll
    for (int i = 0; i < (kWords > 0 ? kWords : 1); ++i)
      r.scales[i] = 0;
    return r;
  }
  /// From global memory, codes past the first-level cache: nothing reads them twice.
  DEVICE Held stream(const u8 *block, int lane) {
    Held r;
#pragma unroll
    for (int i = 0; i < kNibbles; i += 4)
      loadOnce<4>(r.codes + i, block + i * 128 + lane * 16);
    loadOnce<kUpperWords>(r.codes + kNibbles, block + kNibbles * 128 + lane * (kUpperWords * 4));
    const u8 *scales = block + kScales;
    loadConstant<kScaleWords>(r.scales, scales + lane / 4 * (kScaleWords * 4));
    loadConstant<kNumberWords>(r.scales + kScaleWords, scales + kScaleWords * 32 + lane / 4 * (kNumberWords * 4));
    return r;
  }
  /// Columns [32k, 32k + 32) of a superblock, or of two superblocks of 32, as the first. Bits above nibbles become
  /// codes[2]; of byte scales and mins words 0 and 1, what they are multiplied with words 2 and 3.
  DEVICE Held group(const Held &first, const Held &second, int k) {
    Held r = first;
    if constexpr (Layout::kCols > 32) {
#pragma unroll
      for (int i = 1; i < Layout::kCols / 32; ++i)
        r.codes[0] = k == i ? first.codes[2 * i] : r.codes[0], r.codes[1] = k == i ? first.codes[2 * i + 1] : r.codes[1];
      if constexpr (Layout::kUpper > 0)
        r.codes[2] = chosen<kUpperWords>(first.codes + kNibbles, k * Layout::kUpper / 2) >> upperShift(k);
      if constexpr (Layout::kByteScales) {
        if constexpr (Layout::kMins) {
          r.scales[0] = chosen<2>(first.scales, k / 2) >> k % 2 * 16;
          r.scales[1] = chosen<2>(first.scales + 2, k / 2) >> k % 2 * 16;
        } else {
          r.scales[0] = chosen<4>(first.scales, k);
        }
#pragma unroll
        for (int i = 0; i < kNumberWords; ++i)
          r.scales[2 + i] = first.scales[4 + i];
      } else {
#pragma unroll
        for (int i = 0; Layout::kGroups == 2 && i < kScaleWords; i += 2)
          r.scales[i] = k == 0 ? first.scales[i] : first.scales[i + 1];
      }
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
      if constexpr (Layout::kUpper > 0)
        r[0].codes[kNibbles] = wordAt(block + kNibbles * 128 + lane * (kUpperWords * 4) + group * Layout::kUpper / 2 * 4) >>
                               upperShift(group);
    } else {
#pragma unroll
      for (int i = 0; i < (Layout::kCols < 32 ? 2 : 1); ++i) {
        const Words4 codes = *reinterpret_cast<const Words4 *>(block + i * Layout::kBytes + lane * 16);
        r[i].codes[0] = codes.x, r[i].codes[1] = codes.y, r[i].codes[2] = codes.z, r[i].codes[3] = codes.w;
      }
    }
    const u8 *scales = block + kScales + lane / 4 * (kScaleWords * 4);
    if constexpr (Layout::kByteScales) {
      const u8 *pairs = scales + group * (Layout::kMins ? 2 : 4);
      r[0].scales[0] = Layout::kMins ? *reinterpret_cast<const u16 *>(pairs) : wordAt(pairs);
      if constexpr (Layout::kMins)
        r[0].scales[2] = *reinterpret_cast<const u16 *>(pairs + 8);
#pragma unroll
      for (int i = 0; i < kNumberWords; ++i)
        r[0].scales[4 + i] = wordAt(block + kScales + 128 + lane / 4 * (kNumberWords * 4) + i * 4);
    } else {
      scales += Layout::kGroups == 2 ? group * 4 : 0;
#pragma unroll
      for (int i = 0; i < kScaleWords; i += Layout::kGroups)
        r[0].scales[i] = wordAt(scales + i * 4);
    }
  }

private:
  DEVICE u32 wordAt(const u8 *at) { return *reinterpret_cast<const u32 *>(at); }
  /// Word `index` of registers, which no index can choose.
  template <int kCount> DEVICE u32 chosen(const u32 *words, int index) {
    u32 r = words[0];
#pragma unroll
    for (int i = 1; i < kCount; ++i)
      r = index == i ? words[i] : r;
    return r;
  }
  DEVICE int upperShift(int k) { return Layout::kUpper == 1 ? k % 2 * 8 : 0; }
};
