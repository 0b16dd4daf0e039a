// Names of packed layouts, the place of every element, and the scalar reference packing that tests compare with.
#include "codegen/registry/PackedLayout.h"

#include <bit>
#include <cstring>
#include <iterator>

namespace llmc {
namespace {

constexpr std::string_view kNames[] = {"f32n16",       "f16n16",   "bf16n16k2", "q4n16k4",
                                       "q4n16k4-asym", "q8n16k4",  "plain",     "bf16m16k16",
                                       "f16m16k16",    "q8m16k32", "q4m16k64",  "q4m16k64-asym"};

/// Offset of the superblock that holds (row, col).
int64_t superblockPlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  return row / kPanelRows * panelBytes(l, cols) + col / superblockCols(l) * superblockBytes(l);
}

/// Offset in a superblock's scales or mins: [2][16] f16, fragment layouts [8][groups][2] f16.
int64_t groupPlace(Layout l, int64_t row, int64_t col) {
  if (isFragment(l)) {
    int64_t groups = superblockCols(l) / kQuantGroup, stride = (isAsymmetric(l) ? 2 : 1) * groups * 4;
    return row % 8 * stride + col / kQuantGroup % groups * 4 + row % kPanelRows / 8 * 2;
  }
  return (col % kSuperblockCols / kQuantGroup * kPanelRows + row % kPanelRows) * 2;
}

template <typename T> T load(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
template <typename T> void store(uint8_t *to, T value) { std::memcpy(to, &value, sizeof(value)); }

/// Stored code of a logical code; `zero` is what padding gets.
struct Coding {
  int64_t offset; // stored = code + offset
  int32_t zero;   // logical code of padding
};
Coding codingOf(Layout l) {
  if (isEightBit(l))
    return {128, 0};
  if (isFourBit(l) && !isAsymmetric(l))
    return {0, 8};
  return {0, 0};
}

void storeElement(Layout l, uint8_t *out, ElementPlace place, uint32_t stored) {
  switch (l) {
  case Layout::F32N16:
  case Layout::Plain:
    return store<uint32_t>(out + place.offset, stored);
  case Layout::F16N16:
  case Layout::BF16N16K2:
  case Layout::BF16M16K16:
  case Layout::F16M16K16:
    return store<uint16_t>(out + place.offset, static_cast<uint16_t>(stored));
  case Layout::Q8N16K4:
  case Layout::Q8M16K32:
    out[place.offset] = static_cast<uint8_t>(stored);
    return;
  case Layout::Q4N16K4Sym:
  case Layout::Q4N16K4Asym:
  case Layout::Q4M16K64Sym:
  case Layout::Q4M16K64Asym: {
    uint8_t &byte = out[place.offset];
    byte = static_cast<uint8_t>(place.highNibble ? (byte & 0x0f) | stored << 4 : (byte & 0xf0) | stored);
  }
  }
}

/// Place in a fragment layout, from the start of its superblock.
ElementPlace fragmentPlace(Layout l, int64_t row, int64_t col) {
  int64_t step = col % superblockCols(l) / 16, k = col % 16;
  int64_t lane = row % 8 * 4 + k % 8 / 2, pair = row % kPanelRows / 8 + k / 8 * 2, odd = k % 2;
  if (isFourBit(l)) {
    int64_t nibble = pair + odd * 4;
    return {lane * 16 + step * 4 + nibble / 2, nibble % 2 != 0};
  }
  if (isEightBit(l))
    return {lane * 16 + step * 8 + pair / 2 * 4 + odd * 2 + pair % 2, false};
  return {lane * 16 + pair * 4 + odd * 2, false};
}

} // namespace

std::string_view layoutName(Layout layout) { return kNames[static_cast<int>(layout)]; }

std::optional<Layout> layoutByName(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name)
      return static_cast<Layout>(i);
  return std::nullopt;
}

std::string_view deviceLayoutName(Layout layout) {
  constexpr std::string_view kStructs[] = {"Bf16M16K16", "F16M16K16", "Q8M16K32", "Q4M16K64", "Q4M16K64Asym"};
  return isFragment(layout) ? kStructs[static_cast<int>(layout) - static_cast<int>(Layout::BF16M16K16)]
                            : std::string_view();
}

ElementPlace elementPlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  if (l == Layout::Plain)
    return {(row * cols + col) * 4, false};
  int64_t base = superblockPlace(l, cols, row, col), lane = row % kPanelRows;
  if (isFragment(l)) {
    ElementPlace place = fragmentPlace(l, row, col);
    return {base + place.offset, place.highNibble};
  }
  switch (l) {
  case Layout::F32N16:
    return {base + lane * 4, false};
  case Layout::F16N16:
    return {base + (col % 2 * kPanelRows + lane) * 2, false};
  // Little endian: the low half of a dword, odd k, comes first.
  case Layout::BF16N16K2:
    return {base + lane * 4 + (col % 2 == 0 ? 2 : 0), false};
  case Layout::Q8N16K4: {
    int64_t k = col % kSuperblockCols;
    return {base + k / 4 * kLineBytes + lane * 4 + k % 4, false};
  }
  default: {
    int64_t k = col % kQuantGroup, half = col % kSuperblockCols / kQuantGroup, byte = k % 16;
    return {base + (half * 4 + byte / 4) * kLineBytes + lane * 4 + byte % 4, k >= 16};
  }
  }
}

int64_t scalePlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  return superblockPlace(l, cols, row, col) + scalesOffset(l) + groupPlace(l, row, col);
}

int64_t minPlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  return superblockPlace(l, cols, row, col) + minsOffset(l) + groupPlace(l, row, col);
}

void packReference(Layout l, const LogicalWeight &weight, uint8_t *out) {
  Coding coding = codingOf(l);
  int64_t groups = (weight.cols + kQuantGroup - 1) / kQuantGroup;
  std::memset(out, 0, static_cast<size_t>(packedBytes(l, weight.rows, weight.cols)));
  for (int64_t row = 0; row < paddedRows(l, weight.rows); ++row) {
    for (int64_t col = 0; col < paddedCols(l, weight.cols); ++col) {
      bool inside = row < weight.rows && col < weight.cols;
      int64_t code = inside ? weight.codes[row * weight.cols + col] : coding.zero;
      storeElement(l, out, elementPlace(l, weight.cols, row, col), static_cast<uint32_t>(code + coding.offset));
      if (!inside || !isQuantized(l) || col % kQuantGroup != 0)
        continue;
      int64_t group = row * groups + col / kQuantGroup;
      store<uint16_t>(out + scalePlace(l, weight.cols, row, col), weight.scales[group]);
      if (isAsymmetric(l))
        store<uint16_t>(out + minPlace(l, weight.cols, row, col), weight.mins[group]);
    }
  }
}

float unpackElement(Layout l, const uint8_t *packed, int64_t cols, int64_t row, int64_t col) {
  ElementPlace place = elementPlace(l, cols, row, col);
  const uint8_t *at = packed + place.offset;
  switch (l) {
  case Layout::F32N16:
  case Layout::Plain:
    return load<float>(at);
  case Layout::F16N16:
  case Layout::F16M16K16:
    return f16ToF32(load<uint16_t>(at));
  case Layout::BF16N16K2:
  case Layout::BF16M16K16:
    return std::bit_cast<float>(uint32_t{load<uint16_t>(at)} << 16);
  default:
    break;
  }
  float scale = f16ToF32(load<uint16_t>(packed + scalePlace(l, cols, row, col)));
  if (isEightBit(l))
    return scale * static_cast<float>(*at - 128);
  int q = place.highNibble ? *at >> 4 : *at & 15;
  if (!isAsymmetric(l))
    return scale * static_cast<float>(q - 8);
  float product = scale * static_cast<float>(q);
  return product + f16ToF32(load<uint16_t>(packed + minPlace(l, cols, row, col)));
}

float f16ToF32(uint16_t bits) {
  uint32_t sign = uint32_t{bits} << 16 & 0x80000000u, rest = bits & 0x7fffu;
  if (rest >= 0x7c00u)
    return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  // Scaling by 2^112 rebuilds the exponent, subnormals included; exact.
  float magnitude = std::bit_cast<float>(rest << 13) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

uint16_t f32ToF16(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  uint32_t rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u)
    return sign | 0x7e00u;
  if (rest >= 0x477ff000u)
    return sign | 0x7c00u; // 65520 and more round to infinity
  if (rest < 0x38800000u) {
    // Subnormal half: adding 0.5 leaves the wanted bits, rounded to even, at the end of the fraction.
    float shifted = std::bit_cast<float>(rest) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3f000000u);
  }
  uint32_t rounded = rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u);
  return sign | static_cast<uint16_t>(rounded >> 13);
}

} // namespace llmc
