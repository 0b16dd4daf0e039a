// Panels of each layout. Quantized panels go group by group: 16 rows x 32 columns make 4 or 8 lines, scales, mins.
#include "compiler/engine/PanelPacker.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "compiler/engine/BlockRepacker.h"
#include "compiler/engine/Stopwatch.h"
#include "compiler/import/QuantBlock.h"

namespace llmc {
namespace {

constexpr int kLanes = kPanelRows;
constexpr uint16_t kHalfExponent = 0x7c00, kBfloatExponent = 0x7f80;

uint16_t load16(const std::byte* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
uint32_t load32(const std::byte* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

bool anyInfinite(const uint16_t* words, int64_t count, uint16_t exponent) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) bad |= (words[i] & exponent) == exponent ? 1u : 0u;
  return bad != 0;
}

bool anyInfinite(const float* values, int64_t count) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i)
    bad |= (std::bit_cast<uint32_t>(values[i]) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  return bad != 0;
}

uint16_t toBfloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/// x[k][lane] of columns [col, col + count).
void transposeGroup(const float* rows, int64_t stride, int64_t col, int64_t count, float* x) {
  for (int r = 0; r < kLanes; ++r) {
    const float* row = rows + r * stride + col;
    for (int64_t k = 0; k < count; ++k) x[k * kLanes + r] = row[k];
  }
}

/// Fills lanes [first, 16) of a group with the code of zero and scale 0.
void clearLanes(Layout layout, int first, uint32_t* lines, uint16_t* scales, uint16_t* mins) {
  uint32_t zero = isEightBit(layout) ? 0x80808080u : isAsymmetric(layout) ? 0u : 0x88888888u;
  int count = isEightBit(layout) ? 8 : 4;
  for (int line = 0; line < count; ++line) std::fill(lines + line * kLanes + first, lines + (line + 1) * kLanes, zero);
  std::fill(scales + first, scales + kLanes, uint16_t{0});
  if (isAsymmetric(layout)) std::fill(mins + first, mins + kLanes, uint16_t{0});
}

/// One GGUF block into lane `lane` of a group: the order of its nibbles is that of the lines already.
LaneFaults repackBlock(Layout layout, StorageType storage, const std::byte* block, int lane, uint32_t* lines,
                       uint16_t* scales, uint16_t* mins) {
  uint16_t scale = load16(block), min = 0;
  bool eight = isEightBit(layout);
  const std::byte* codes = block + 2;
  bool finite = (scale & kHalfExponent) != kHalfExponent;
  LaneFaults faults = 0;
  if (storage == StorageType::Q4_1) {
    min = load16(block + 2);
    codes = block + 4;
    finite &= (min & kHalfExponent) != kHalfExponent;
  } else if (isAsymmetric(layout)) {
    min = f32ToF16(-8.0f * f16ToF32(scale));  // Q4_0: scale * (q - 8); eight times a half is a half unless too large
    if (finite && (min & kHalfExponent) == kHalfExponent) faults |= 0x10000u << lane;
  }
  if (!finite) faults |= 1u << lane;
  for (int line = 0; line < (eight ? 8 : 4); ++line)
    lines[line * kLanes + lane] = load32(codes + 4 * line) ^ (eight ? 0x80808080u : 0u);  // int8 + 128
  scales[lane] = scale;
  if (isAsymmetric(layout)) mins[lane] = min;
  return faults;
}

/// A group on its way into a fragment layout: lines as the quantizers and GGUF blocks give them.
struct LineGroup {
  uint32_t lines[8 * kLanes];
  uint16_t scales[kLanes], mins[kLanes];
};

/// Places of one group in a panel; in `lineGroup` for fragment layouts, which scatterGroup() then moves on.
struct GroupPlace {
  uint32_t* lines;
  uint16_t *scales, *mins;
};
GroupPlace groupPlace(Layout layout, uint8_t* panel, int64_t group, LineGroup& lineGroup) {
  if (isFragment(layout)) return {lineGroup.lines, lineGroup.scales, lineGroup.mins};
  uint8_t* block = panel + group / 2 * superblockBytes(layout);
  int64_t half = group % 2, lineBytes = (isEightBit(layout) ? 8 : 4) * kLineBytes;
  return {reinterpret_cast<uint32_t*>(block + half * lineBytes),
          reinterpret_cast<uint16_t*>(block + scalesOffset(layout) + half * 32),
          reinterpret_cast<uint16_t*>(block + minsOffset(layout) + half * 32)};
}

/// Codes of the superblock's group `group` of 32 columns from lines to the lanes of mma fragments. Nibble lines hold
/// step 0 low and step 1 high. Eight rows g at a time, so that the compiler makes vectors of them.
void scatterCodes(Layout layout, const uint32_t* lines, int64_t group, uint32_t* block) {
  constexpr uint32_t kLow = 0x000f000fu, kHigh = 0x00f000f0u;
  for (int t = 0; t < 4; ++t) {
    // Columns 2t and 2t + 1 of row g, from line 4 * half + t / 2 on, in bytes 0 and 2.
    auto pair = [&](int line, int row) {
      uint32_t bytes = lines[(line + t / 2) * kLanes + row] >> (t % 2 * 16) & 0xffffu;
      return (bytes | bytes << 8) & 0x00ff00ffu;
    };
    uint32_t words[4][8];
    if (isEightBit(layout)) {
      for (int half = 0; half < 4; ++half)
        for (int g = 0; g < 8; ++g) words[half][g] = pair(half * 2, g) | pair(half * 2, g + 8) << 8;
      for (int g = 0; g < 8; ++g)
        for (int half = 0; half < 4; ++half) block[(g * 4 + t) * 4 + half] = words[half][g];
      continue;
    }
    for (int g = 0; g < 8; ++g) {
      uint32_t a0 = pair(0, g), a1 = pair(0, g + 8), a2 = pair(2, g), a3 = pair(2, g + 8);
      words[0][g] = (a0 & kLow) | (a1 & kLow) << 4 | (a2 & kLow) << 8 | (a3 & kLow) << 12;
      words[1][g] = (a0 & kHigh) >> 4 | (a1 & kHigh) | (a2 & kHigh) << 4 | (a3 & kHigh) << 8;
    }
    uint32_t* run = block + group / 2 * (kFragmentBytes / 4);  // of 64 columns
    for (int g = 0; g < 8; ++g)
      for (int step = 0; step < 2; ++step) run[(g * 4 + t) * 4 + group % 2 * 2 + step] = words[step][g];
  }
}

void scatterGroup(Layout layout, const LineGroup& from, int64_t group, uint8_t* panel) {
  uint8_t* block = panel + group * kQuantGroup / superblockCols(layout) * superblockBytes(layout);
  int64_t col = group * kQuantGroup % superblockCols(layout), cols = superblockCols(layout);
  scatterCodes(layout, from.lines, col / kQuantGroup, reinterpret_cast<uint32_t*>(block));
  if (col % quantFormat(layout).group != 0) return;  // the scales are there
  int64_t first = scalePlace(layout, cols, 0, col);
  int64_t step = scalePlace(layout, cols, 1, col) - first, mins = minsOffset(layout) - scalesOffset(layout);
  for (int r = 0; r < kLanes; ++r) {
    uint8_t* at = block + first + r % 8 * step + r / 8 * 2;
    std::memcpy(at, &from.scales[r], 2);
    if (isAsymmetric(layout)) std::memcpy(at + mins, &from.mins[r], 2);
  }
}

/// A group of nibbles to where the layout has it.
void placeGroup(Layout layout, LineGroup& from, int64_t group, uint8_t* panel) {
  if (isFragment(layout)) return scatterGroup(layout, from, group, panel);
  GroupPlace place = groupPlace(layout, panel, group, from);
  std::memcpy(place.lines, from.lines, 4 * kLanes * sizeof(uint32_t));
  std::memcpy(place.scales, from.scales, sizeof(from.scales));
  std::memcpy(place.mins, from.mins, sizeof(from.mins));
}

/// [16][cols] words to superblocks of 16 columns.
void scatterHalfWords(const uint16_t* words, int64_t cols, uint8_t* out) {
  for (int64_t k = 0; k < cols; k += 16)
    for (int g = 0; g < 8; ++g)
      for (int t = 0; t < 4; ++t)
        for (int pair = 0; pair < 4; ++pair, out += 4)
          std::memcpy(out, words + (g + pair % 2 * 8) * cols + k + 2 * t + pair / 2 * 8, 4);
}

bool holdsHalfWords(Layout l) {
  return l == Layout::F16N16 || l == Layout::BF16N16K2 || l == Layout::F16M16K16 || l == Layout::BF16M16K16;
}

GroupQuantizer quantizerFor(Layout layout, bool square, int64_t group) {
  const GroupQuantizers& all = groupQuantizers();
  if (group == kWideGroup) return square ? all.i4WideSquare : all.i4Wide;
  if (isEightBit(layout)) return all.i8;
  if (isAsymmetric(layout)) return square ? all.i4AsymSquare : all.i4Asym;
  if (isFourBit(layout)) return square ? all.i4SymSquare : all.i4Sym;
  return nullptr;
}

}  // namespace

bool repacksExactly(Layout layout, StorageType storage, int64_t group) {
  if (group > kQuantGroup) return false;  // no file has such groups
  switch (layout) {
    case Layout::F32N16:
    case Layout::Plain:
      return storage == StorageType::F32 || storage == StorageType::F16 || storage == StorageType::BF16;
    case Layout::F16N16:
    case Layout::F16M16K16:
      return storage == StorageType::F16;
    case Layout::BF16N16K2:
    case Layout::BF16M16K16:
      return storage == StorageType::BF16;
    case Layout::Q4N16K4Sym:
    case Layout::Q4M16K64Sym:
      return storage == StorageType::Q4_0;
    case Layout::Q4N16K4Asym:
    case Layout::Q4M16K64Asym:
      return storage == StorageType::Q4_0 || storage == StorageType::Q4_1;
    case Layout::Q8N16K4:
    case Layout::Q8M16K32:
      return storage == StorageType::Q8_0;
    default:
      return storage == repackedStorage(layout);
  }
}

bool canPack(Layout layout, StorageType storage) {
  return repackedStorage(layout) == StorageType::F32 || repacksExactly(layout, storage);
}

PanelPacker::PanelPacker(Layout layout, int64_t cols, bool square, int64_t group, bool e4m3)
    : layout_(layout),
      cols_(cols),
      padded_(roundUpTo(paddedCols(layout, cols), std::max<int64_t>(1, group))),
      group_(group > 0 ? group : quantFormat(layout).group),
      e4m3_(e4m3 || layout == Layout::E4M3M16K32),
      quantizer_(quantizerFor(layout, square, group_)) {}

LaneFaults PanelPacker::pack(StorageType storage, const std::byte* rows, int count, uint8_t* out) {
  if (holdsHalfWords(layout_)) return packHalfWords(storage, rows, count, out);
  if (hasQuantBlock(storage) && repacksExactly(layout_, storage))
    return repackQuantBlocks(layout_, rows, count, cols_, out);
  if (isQuantized(layout_) && repacksExactly(layout_, storage, group_)) return repackBlocks(storage, rows, count, out);
  expand(storage, rows, count);
  if (layout_ == Layout::E4M3M16K32) return packBytes(out);
  return isQuantized(layout_) ? packQuantized(out) : packFloats(out);
}

void PanelPacker::expand(StorageType storage, const std::byte* rows, int count) {
  Stopwatch stopwatch;
  floats_.resize(static_cast<size_t>(kLanes * padded_));
  int64_t rowBytes = cols_ / blockLength(storage) * blockBytes(storage);
  for (int r = 0; r < kLanes; ++r) {
    float* to = floats_.data() + r * padded_;
    if (r >= count) {
      std::fill(to, to + padded_, 0.0f);
      continue;
    }
    const std::byte* from = rows + r * rowBytes;
    if (storage == StorageType::BF16) {
      for (int64_t i = 0; i < cols_; ++i) to[i] = std::bit_cast<float>(uint32_t{load16(from + 2 * i)} << 16);
    } else {
      expandToFloat(storage, from, cols_, to);
    }
    std::fill(to + cols_, to + padded_, 0.0f);
  }
  expandSeconds_ += stopwatch.seconds();
}

/// Replaces rows by their e4m3 values: x / scale with scale = max|x| / 448; 0 for a row of zeros.
LaneFaults PanelPacker::scaleRows(float (&scales)[kPanelRows]) {
  LaneFaults faults = 0;
  for (int r = 0; r < kLanes; ++r) {
    float *row = floats_.data() + r * padded_, largest = 0;
    if (anyInfinite(row, cols_)) faults |= 1u << r;
    for (int64_t k = 0; k < cols_; ++k) largest = std::max(largest, std::abs(row[k]));
    // Below this the reciprocal overflows.
    const bool any = largest > 1e-30f;
    const float inverse = any ? 448.0f / largest : 0.0f;
    scales[r] = any ? largest / 448.0f : 0.0f;
    for (int64_t k = 0; k < cols_; ++k) row[k] = e4m3ToF32(f32ToE4M3(row[k] * inverse));
  }
  return faults;
}

/// e4m3m16k32: the scales, then the codes as fragments.
LaneFaults PanelPacker::packBytes(uint8_t* out) {
  float scales[kPanelRows];
  LaneFaults faults = scaleRows(scales);
  std::memcpy(out, scales, sizeof(scales));
  for (int r = 0; r < kLanes; ++r)
    for (int64_t k = 0; k < padded_; ++k)
      out[elementPlace(layout_, cols_, r, k).offset] = f32ToE4M3(floats_[static_cast<size_t>(r * padded_ + k)]);
  return faults;
}

/// f32n16: [k][16].
LaneFaults PanelPacker::packFloats(uint8_t* out) {
  LaneFaults faults = 0;
  if (float scales[kPanelRows]; e4m3_) {
    faults = scaleRows(scales);
    for (int r = 0; r < kLanes; ++r)
      for (int64_t k = 0; k < cols_; ++k) floats_[static_cast<size_t>(r * padded_ + k)] *= scales[r];
  }
  auto* to = reinterpret_cast<float*>(out);
  for (int r = 0; r < kLanes; ++r) {
    const float* row = floats_.data() + r * padded_;
    if (anyInfinite(row, cols_)) faults |= 1u << r;
    for (int64_t k = 0; k < padded_; ++k) to[k * kLanes + r] = row[k];
  }
  return faults;
}

/// f16n16: [k][16]; bf16n16k2: [k/2][16] with k even in the high half; fragments: 4 pairs a lane.
LaneFaults PanelPacker::packHalfWords(StorageType storage, const std::byte* rows, int count, uint8_t* out) {
  bool half = layout_ == Layout::F16N16 || layout_ == Layout::F16M16K16;
  uint16_t exponent = half ? kHalfExponent : kBfloatExponent;
  LaneFaults faults = 0;
  bool exact = repacksExactly(layout_, storage);
  if (!exact) expand(storage, rows, count);
  words_.assign(static_cast<size_t>(kLanes * padded_), 0);
  auto* to = reinterpret_cast<uint16_t*>(out);
  for (int r = 0; r < kLanes; ++r) {
    uint16_t* row = words_.data() + r * padded_;
    if (r < count && exact) std::memcpy(row, rows + r * cols_ * 2, static_cast<size_t>(cols_) * 2);
    if (r < count && !exact) {
      const float* from = floats_.data() + r * padded_;
      for (int64_t k = 0; k < cols_; ++k) row[k] = half ? f32ToF16(from[k]) : toBfloat(from[k]);
      if (anyInfinite(from, cols_)) faults |= 1u << r;
    }
    if (anyInfinite(row, cols_, exponent) && (faults >> r & 1u) == 0) faults |= exact ? 1u << r : 0x10000u << r;
    if (isFragment(layout_)) continue;
    for (int64_t k = 0; k < padded_; ++k)
      to[half ? k * kLanes + r : (k / 2 * kLanes + r) * 2 + (k % 2 == 0 ? 1 : 0)] = row[k];
  }
  if (isFragment(layout_)) scatterHalfWords(words_.data(), padded_, out);
  return faults;
}

LaneFaults PanelPacker::packQuantized(uint8_t* out) {
  if (group_ > kQuantGroup) return packWide(out);
  alignas(64) float x[kQuantGroup * kLanes];
  alignas(64) LineGroup lineGroup;
  LaneFaults faults = 0;
  int64_t groups = padded_ / kQuantGroup;
  for (int64_t group = 0; group < groups; ++group) {
    GroupPlace place = groupPlace(layout_, out, group, lineGroup);
    if (group * kQuantGroup >= cols_) {
      clearLanes(layout_, 0, place.lines, place.scales, place.mins);
    } else {
      transposeGroup(floats_.data(), padded_, group * kQuantGroup, kQuantGroup, x);
      faults |= quantizer_(x, place.lines, place.scales, place.mins);
    }
    if (isFragment(layout_)) scatterGroup(layout_, lineGroup, group, out);
  }
  return faults;
}

/// Groups of 128: quantized whole, then stored as four of 32 with the same scale and min, as far as the layout goes.
LaneFaults PanelPacker::packWide(uint8_t* out) {
  constexpr int64_t kParts = kWideGroup / kQuantGroup, kLineWords = 4 * kLanes;
  alignas(64) float x[kWideGroup * kLanes];
  alignas(64) uint32_t lines[kParts * kLineWords];
  alignas(64) LineGroup part;
  LaneFaults faults = 0;
  int64_t stored = paddedCols(layout_, cols_) / kQuantGroup;
  for (int64_t col = 0; col < padded_; col += kWideGroup) {
    transposeGroup(floats_.data(), padded_, col, kWideGroup, x);
    faults |= quantizer_(x, lines, part.scales, part.mins);
    int64_t first = col / kQuantGroup;
    for (int64_t group = first; group < std::min(first + kParts, stored); ++group) {
      std::memcpy(part.lines, lines + (group - first) * kLineWords, kLineWords * sizeof(uint32_t));
      if (group * kQuantGroup >= cols_) clearLanes(layout_, 0, part.lines, part.scales, part.mins);
      placeGroup(layout_, part, group, out);
    }
  }
  return faults;
}

LaneFaults PanelPacker::repackBlocks(StorageType storage, const std::byte* rows, int count, uint8_t* out) {
  alignas(64) LineGroup lineGroup;
  LaneFaults faults = 0;
  int64_t blocks = cols_ / kQuantGroup, bytes = blockBytes(storage), groups = padded_ / kQuantGroup;
  for (int64_t group = 0; group < groups; ++group) {
    GroupPlace place = groupPlace(layout_, out, group, lineGroup);
    int lanes = group < blocks ? count : 0;
    for (int r = 0; r < lanes; ++r)
      faults |=
          repackBlock(layout_, storage, rows + (r * blocks + group) * bytes, r, place.lines, place.scales, place.mins);
    clearLanes(layout_, lanes, place.lines, place.scales, place.mins);
    if (isFragment(layout_)) scatterGroup(layout_, lineGroup, group, out);
  }
  return faults;
}

}  // namespace llmc
