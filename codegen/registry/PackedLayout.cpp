// Names of packed layouts, the place of every element, and the scalar reference packing that tests compare with.
#include "codegen/registry/PackedLayout.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

namespace llmc {
namespace {

constexpr std::string_view kNames[] = {
    "f32n16",     "f16n16",       "bf16n16k2",     "q4n16k4",    "q4n16k4-asym", "q8n16k4",
    "plain",      "bf16m16k16",   "f16m16k16",     "q8m16k32",   "q4m16k64",     "q4m16k64-asym",
    "q5n16k4",    "q5n16k4-asym", "q4kn16k4",      "q5kn16k4",   "q6kn16k4",     "q4m16k128-asym",
    "e4m3m16k32", "q5m16k64",     "q5m16k64-asym", "q4km16k128", "q5km16k128",   "q6km16k128"};

/// Offset of the superblock that holds (row, col).
int64_t superblockPlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  return row / kPanelRows * panelBytes(l, cols) + headerBytes(l, cols) + col / superblockCols(l) * superblockBytes(l);
}

/// Columns that share a min.
int64_t minGroup(Layout l) { return std::max(quantFormat(l).group, kQuantGroup); }

/// Offset in a superblock's scales or mins: [64 / group][16], fragment layouts [8][groups][2].
int64_t groupPlace(Layout l, int64_t group, int64_t row, int64_t col) {
  if (isFragment(l))
    return row % 8 * pairScaleBytes(l) + (col % superblockCols(l) / group * 2 + row % kPanelRows / 8) * scaleBytes(l);
  return (col % kSuperblockCols / group * kPanelRows + row % kPanelRows) * scaleBytes(l);
}

template <typename T> T load(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
template <typename T> void store(uint8_t *to, T value) { std::memcpy(to, &value, sizeof(value)); }

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
  default:
    break;
  }
  uint8_t &byte = out[place.offset];
  if (quantFormat(l).bits == 8 || l == Layout::E4M3M16K32)
    byte = static_cast<uint8_t>(stored);
  else
    byte = static_cast<uint8_t>(place.highNibble ? (byte & 0x0f) | stored << 4 : (byte & 0xf0) | (stored & 15));
  if (place.upperOffset >= 0)
    out[place.upperOffset] |= static_cast<uint8_t>(stored >> 4 << place.upperShift);
}

/// Scale or min of (row, col) as stored at `at`, times the f16 at `header` when it is a byte.
float storedScale(Layout l, const uint8_t *at, const uint8_t *header) {
  if (!quantFormat(l).byteScales)
    return f16ToF32(load<uint16_t>(at));
  int byte = isAsymmetric(l) ? *at : static_cast<int8_t>(*at);
  return f16ToF32(load<uint16_t>(header)) * static_cast<float>(byte);
}

/// Place in a fragment layout, from the start of its superblock.
ElementPlace fragmentPlace(Layout l, int64_t row, int64_t col) {
  if (l == Layout::E4M3M16K32) {
    int64_t k = col % 32, lane = row % 8 * 4 + k % 16 / 4, word = row % kPanelRows / 8 + k / 16 * 2;
    return {lane * 16 + word * 4 + k % 4, false};
  }
  int64_t step = col % superblockCols(l) / 16, k = col % 16;
  int64_t lane = row % 8 * 4 + k % 8 / 2, pair = row % kPanelRows / 8 + k / 8 * 2, odd = k % 2;
  if (isEightBit(l))
    return {lane * 16 + step * 8 + pair / 2 * 4 + odd * 2 + pair % 2, false};
  if (!isQuantized(l))
    return {lane * 16 + pair * 4 + odd * 2, false};
  int64_t nibble = pair + odd * 4, bits = upperLines(l);
  ElementPlace place{step / 4 * kFragmentBytes + lane * 16 + step % 4 * 4 + nibble / 2, nibble % 2 != 0};
  if (bits > 0) {
    int64_t at = (step * 4 + pair) * bits, bit = at % 16 + odd * 16, laneBytes = superblockCols(l) * bits / 16;
    place.upperOffset = superblockCols(l) / 64 * kFragmentBytes + lane * laneBytes + at / 16 * 4 + bit / 8;
    place.upperShift = bit % 8;
  }
  return place;
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
  switch (layout) {
  case Layout::BF16M16K16:
    return "Bf16M16K16";
  case Layout::F16M16K16:
    return "F16M16K16";
  case Layout::Q8M16K32:
    return "Q8M16K32";
  case Layout::Q4M16K64Sym:
    return "Q4M16K64";
  case Layout::Q4M16K64Asym:
    return "Q4M16K64Asym";
  case Layout::Q4M16K128Asym:
    return "Q4M16K128Asym";
  case Layout::E4M3M16K32:
    return "E4m3M16K32";
  case Layout::Q5M16K64Sym:
    return "Q5M16K64";
  case Layout::Q5M16K64Asym:
    return "Q5M16K64Asym";
  case Layout::Q4KM16K128:
    return "Q4KM16K128";
  case Layout::Q5KM16K128:
    return "Q5KM16K128";
  case Layout::Q6KM16K128:
    return "Q6KM16K128";
  default:
    return {};
  }
}

ElementPlace elementPlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  if (l == Layout::Plain)
    return {(row * cols + col) * 4, false};
  int64_t base = superblockPlace(l, cols, row, col), lane = row % kPanelRows;
  if (isFragment(l)) {
    ElementPlace place = fragmentPlace(l, row, col);
    place.offset += base;
    if (place.upperOffset >= 0)
      place.upperOffset += base;
    return place;
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
  default:
    break;
  }
  int64_t k = col % kQuantGroup, half = col % kSuperblockCols / kQuantGroup, byte = k % 16;
  ElementPlace place{base + (half * 4 + byte / 4) * kLineBytes + lane * 4 + byte % 4, k >= 16};
  if (int64_t bits = upperLines(l)) {
    place.upperOffset = base + upperOffset(l, half) + k / 4 * bits / 8 * kLineBytes + lane * 4 + k % 4;
    place.upperShift = k / 4 * bits % 8;
  }
  return place;
}

int64_t scalePlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  return superblockPlace(l, cols, row, col) + scalesOffset(l) + groupPlace(l, quantFormat(l).group, row, col);
}

int64_t minPlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  return superblockPlace(l, cols, row, col) + minsOffset(l) + groupPlace(l, minGroup(l), row, col);
}

int64_t rowScalePlace(int64_t cols, int64_t row) {
  return row / kPanelRows * panelBytes(Layout::E4M3M16K32, cols) + row % kPanelRows * 4;
}

int64_t headerPlace(Layout l, int64_t cols, int64_t row, int64_t col) {
  if (isFragment(l))
    return superblockPlace(l, cols, row, col) + scalesOffset(l) + 8 * pairScaleBytes(l) + row % 8 * pairHeaderBytes(l) +
           row % kPanelRows / 8 * 2;
  return row / kPanelRows * panelBytes(l, cols) + col / kScaleBlock * headerBlockBytes(l) + row % kPanelRows * 2;
}

/// Scales, mins and header of the group that starts at (row, col).
static void packGroup(Layout l, const LogicalWeight &weight, int64_t row, int64_t col, uint8_t *out) {
  QuantFormat format = quantFormat(l);
  auto index = [&](int64_t group) { return row * ((weight.cols + group - 1) / group) + col / group; };
  auto put = [&](int64_t place, uint16_t value) {
    if (format.byteScales)
      out[place] = static_cast<uint8_t>(value);
    else
      store<uint16_t>(out + place, value);
  };
  put(scalePlace(l, weight.cols, row, col), weight.scales[index(format.group)]);
  if (format.asymmetric && col % minGroup(l) == 0)
    put(minPlace(l, weight.cols, row, col), weight.mins[index(minGroup(l))]);
  if (!format.byteScales || col % (isFragment(l) ? superblockCols(l) : kScaleBlock) != 0)
    return;
  int64_t header = headerPlace(l, weight.cols, row, col);
  store<uint16_t>(out + header, weight.blocks[index(kScaleBlock)]);
  if (format.asymmetric)
    store<uint16_t>(out + header + headerMinStep(l), weight.blockMins[index(kScaleBlock)] ^ 0x8000u);
}

void packReference(Layout l, const LogicalWeight &weight, uint8_t *out) {
  QuantFormat format = quantFormat(l);
  std::memset(out, 0, static_cast<size_t>(packedBytes(l, weight.rows, weight.cols)));
  for (int64_t row = 0; row < paddedRows(l, weight.rows); ++row) {
    if (l == Layout::E4M3M16K32 && row < weight.rows)
      store<float>(out + rowScalePlace(weight.cols, row), weight.rowScales[row]);
    for (int64_t col = 0; col < paddedCols(l, weight.cols); ++col) {
      bool inside = row < weight.rows && col < weight.cols;
      // Codes of 8 bits are stored from 128 on, the others as they are; padding is what stands for zero.
      int64_t stored = format.zero;
      if (inside)
        stored = weight.codes[row * weight.cols + col] + (format.bits == 8 ? format.zero : 0);
      storeElement(l, out, elementPlace(l, weight.cols, row, col), static_cast<uint32_t>(stored));
      if (inside && isQuantized(l) && col % format.group == 0)
        packGroup(l, weight, row, col, out);
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
  case Layout::E4M3M16K32:
    return load<float>(packed + rowScalePlace(cols, row)) * e4m3ToF32(*at);
  default:
    break;
  }
  QuantFormat format = quantFormat(l);
  const uint8_t *header = packed + headerPlace(l, cols, row, col);
  float scale = storedScale(l, packed + scalePlace(l, cols, row, col), header);
  int64_t q = format.bits == 8 ? *at : place.highNibble ? *at >> 4 : *at & 15;
  if (place.upperOffset >= 0)
    q |= (packed[place.upperOffset] >> place.upperShift & ((1 << (format.bits - 4)) - 1)) << 4;
  float product = scale * static_cast<float>(q - format.zero);
  if (!format.asymmetric)
    return product;
  return product + storedScale(l, packed + minPlace(l, cols, row, col), header + headerMinStep(l));
}

float f16ToF32(uint16_t bits) {
  uint32_t sign = uint32_t{bits} << 16 & 0x80000000u, rest = bits & 0x7fffu;
  if (rest >= 0x7c00u)
    return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  // Scaling by 2^112 rebuilds the exponent, subnormals included; exact.
  float magnitude = std::bit_cast<float>(rest << 13) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

float e4m3ToF32(uint8_t bits) {
  uint32_t sign = uint32_t{bits} << 24 & 0x80000000u, rest = bits & 0x7fu;
  if (rest == 0x7fu)
    return std::bit_cast<float>(sign | 0x7fc00000u);
  // Scaling by 2^120 rebuilds the exponent, subnormals included; exact.
  float magnitude = std::bit_cast<float>(rest << 20) * 0x1p120f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

uint8_t f32ToE4M3(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  auto sign = static_cast<uint8_t>(bits >> 24 & 0x80u);
  uint32_t rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u)
    return sign | 0x7fu;
  if (rest < 0x3c800000u) // below 2^-6: adding 2^14 leaves the wanted bits, rounded to even, at the end of the fraction
    return sign | static_cast<uint8_t>(std::bit_cast<uint32_t>(std::bit_cast<float>(rest) + 0x1p14f) - 0x46800000u);
  uint32_t rounded = rest - 0x3c000000u + 0x7ffffu + (rest >> 20 & 1u);
  return sign | static_cast<uint8_t>(rounded >= 0x07f00000u ? 0x7eu : rounded >> 20);
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
