// Layout arithmetic and the scalar reference: places are disjoint, as documented, and what is packed comes back.
#include "codegen/registry/PackedLayout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <vector>

namespace llmc {
namespace {

constexpr Layout kAll[] = {Layout::F32N16,       Layout::F16N16,        Layout::BF16N16K2,   Layout::Q4N16K4Sym,
                           Layout::Q4N16K4Asym,  Layout::Q8N16K4,       Layout::Plain,       Layout::BF16M16K16,
                           Layout::F16M16K16,    Layout::Q8M16K32,      Layout::Q4M16K64Sym, Layout::Q4M16K64Asym,
                           Layout::Q5N16K4Sym,   Layout::Q5N16K4Asym,   Layout::Q4KN16K4,    Layout::Q5KN16K4,
                           Layout::Q6KN16K4,     Layout::Q4M16K128Asym, Layout::E4M3M16K32,  Layout::Q5M16K64Sym,
                           Layout::Q5M16K64Asym, Layout::Q4KM16K128,    Layout::Q5KM16K128,  Layout::Q6KM16K128};

TEST(PackedLayout, NamesRoundTrip) {
  std::set<std::string_view> names;
  for (Layout l : kAll) {
    EXPECT_EQ(layoutByName(layoutName(l)), l);
    names.insert(layoutName(l));
  }
  EXPECT_EQ(names.size(), std::size(kAll));
  EXPECT_FALSE(layoutByName("q5"));
  EXPECT_EQ(layoutName(Layout::Q4KN16K4), "q4kn16k4");
  EXPECT_EQ(layoutName(Layout::Q6KN16K4), "q6kn16k4");
}

TEST(PackedLayout, Sizes) {
  EXPECT_EQ(superblockBytes(Layout::Q4N16K4Sym), 576);
  EXPECT_EQ(superblockBytes(Layout::Q4N16K4Asym), 640);
  EXPECT_EQ(superblockBytes(Layout::Q8N16K4), 1088);
  EXPECT_EQ(superblockBytes(Layout::Q5N16K4Sym), 704);
  EXPECT_EQ(superblockBytes(Layout::Q5N16K4Asym), 768);
  EXPECT_EQ(superblockBytes(Layout::Q4KN16K4), 576);
  EXPECT_EQ(superblockBytes(Layout::Q5KN16K4), 704);
  EXPECT_EQ(superblockBytes(Layout::Q6KN16K4), 832);
  // 4.625, 5.625 and 6.5625 bits a weight; an odd number of blocks of 256 rounds the header of 6 bits up to a line.
  EXPECT_EQ(packedBytes(Layout::Q4KN16K4, 16, 2048), 16 * 2048 * 37 / 64);
  EXPECT_EQ(packedBytes(Layout::Q5KN16K4, 16, 2048), 16 * 2048 * 45 / 64);
  EXPECT_EQ(packedBytes(Layout::Q6KN16K4, 16, 2048), 16 * 2048 * 105 / 128);
  EXPECT_EQ(packedBytes(Layout::Q6KN16K4, 16, 768), 128 + 12 * 832);
  EXPECT_EQ(packedBytes(Layout::Q4N16K4Sym, 576, 576), 36 * 9 * 576);
  EXPECT_EQ(packedBytes(Layout::Q8N16K4, 17, 65), 2 * 2 * 1088);
  EXPECT_EQ(packedBytes(Layout::F32N16, 1, 3), 192);
  EXPECT_EQ(packedBytes(Layout::BF16N16K2, 16, 3), 2 * 64);
  EXPECT_EQ(packedBytes(Layout::Plain, 7, 1), 28);
  for (Layout l : kAll)
    if (l != Layout::Plain)
      EXPECT_EQ(panelBytes(l, 33) % (isFragment(l) ? 32 : 64), 0) << layoutName(l);
  EXPECT_EQ(superblockBytes(Layout::BF16M16K16), 512);
  EXPECT_EQ(superblockBytes(Layout::F16M16K16), 512);
  EXPECT_EQ(superblockBytes(Layout::Q8M16K32), 544);
  EXPECT_EQ(superblockBytes(Layout::Q4M16K64Sym), 576);
  EXPECT_EQ(superblockBytes(Layout::Q4M16K64Asym), 640);
  EXPECT_EQ(packedBytes(Layout::Q8M16K32, 17, 65), 2 * 3 * 544);
  // 4.25 bits a weight; K is padded to whole groups.
  EXPECT_EQ(packedBytes(Layout::Q4M16K128Asym, 16, 4096), 16 * 4096 * 17 / 32);
  EXPECT_EQ(packedBytes(Layout::Q4M16K128Asym, 17, 129), 2 * 2 * 1088);
  EXPECT_EQ(packedBytes(Layout::E4M3M16K32, 17, 65), 2 * (64 + 3 * 512));
  // 5.5 and 6 bits a weight; K types 4.75, 5.75 and 6.625, whatever their rows: what files have 256 columns for comes
  // twice.
  EXPECT_EQ(superblockBytes(Layout::Q5M16K64Sym), 704);
  EXPECT_EQ(superblockBytes(Layout::Q5M16K64Asym), 768);
  EXPECT_EQ(packedBytes(Layout::Q4KM16K128, 16, 2048), 16 * 2048 * 19 / 32);
  EXPECT_EQ(packedBytes(Layout::Q5KM16K128, 16, 2048), 16 * 2048 * 23 / 32);
  EXPECT_EQ(packedBytes(Layout::Q6KM16K128, 16, 2048), 16 * 2048 * 53 / 64);
  EXPECT_EQ(packedBytes(Layout::Q6KM16K128, 17, 256), 2 * 2 * 1696);
}

TEST(PackedLayout, FragmentLayoutsOfWeightKinds) {
  EXPECT_EQ(fragmentLayoutFor(WeightKind::BF16, true), Layout::BF16M16K16);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::F16, true), Layout::F16M16K16);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I8, true), Layout::Q8M16K32);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I4, true), Layout::Q4M16K64Sym);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I4, false), Layout::Q4M16K64Asym);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::F32, true), std::nullopt);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::E4M3, true), Layout::E4M3M16K32);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I5, true), Layout::Q5M16K64Sym);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I5, false), Layout::Q5M16K64Asym);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I4, false, true), Layout::Q4KM16K128);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I5, false, true), Layout::Q5KM16K128);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I6, true, true, 16), Layout::Q6KM16K128);
  EXPECT_EQ(layoutFor(WeightKind::E4M3, true), Layout::F32N16);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I4, false, false, 128), Layout::Q4M16K128Asym);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I4, true, false, 128), std::nullopt);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I4, false, false, 64), std::nullopt);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I8, true, false, 128), std::nullopt);
}

/// Registers of mma.m16n8k16's operand A: rows and columns of lane l's pair i, from the PTX manual.
TEST(PackedLayout, LanesHoldTheFragmentsOfOneMma) {
  for (int64_t lane = 0; lane < 32; ++lane)
    for (int64_t pair = 0; pair < 4; ++pair)
      for (int64_t odd = 0; odd < 2; ++odd) {
        int64_t row = lane / 4 + pair % 2 * 8, k = lane % 4 * 2 + odd + pair / 2 * 8;
        for (Layout l : {Layout::BF16M16K16, Layout::F16M16K16})
          EXPECT_EQ(elementPlace(l, 64, 16 + row, 32 + k).offset, 4 * 512 + 2 * 512 + lane * 16 + pair * 4 + odd * 2);
        for (int64_t step = 0; step < 2; ++step)
          EXPECT_EQ(elementPlace(Layout::Q8M16K32, 64, row, 32 + 16 * step + k).offset,
                    544 + lane * 16 + step * 8 + pair / 2 * 4 + pair % 2 + odd * 2);
        for (int64_t step = 0; step < 4; ++step) {
          ElementPlace place = elementPlace(Layout::Q4M16K64Asym, 128, row, 64 + 16 * step + k);
          EXPECT_EQ(place.offset, 640 + lane * 16 + step * 4 + (pair + 4 * odd) / 2);
          EXPECT_EQ(place.highNibble, pair % 2 == 1);
          ElementPlace wide = elementPlace(Layout::Q4M16K128Asym, 256, row, 128 + 64 + 16 * step + k);
          EXPECT_EQ(wide.offset, 1088 + 512 + place.offset - 640);
          EXPECT_EQ(wide.highNibble, place.highNibble);
          // Nibbles of all lie alike; bits above them of a lane's step and pair follow one another in half dwords.
          for (auto [layout, bytes, bits] : {std::tuple{Layout::Q5M16K64Asym, int64_t{768}, int64_t{1}},
                                             {Layout::Q5KM16K128, 1472, 1},
                                             {Layout::Q6KM16K128, 1696, 2}}) {
            const int64_t cols = superblockCols(layout), first = cols - 64, codes = cols * 8;
            ElementPlace upper = elementPlace(layout, 2 * cols, row, cols + first + 16 * step + k);
            EXPECT_EQ(upper.offset, bytes + codes - 512 + place.offset - 640);
            EXPECT_EQ(upper.highNibble, place.highNibble);
            const int64_t bit = bits * (4 * (first / 16 + step) + pair);
            EXPECT_EQ(upper.upperOffset,
                      bytes + codes + lane * cols * bits / 16 + bit / 16 * 4 + odd * 2 + bit % 16 / 8);
            EXPECT_EQ(upper.upperShift, bit % 8);
          }
        }
      }
  // mma.m16n8k32 of bytes: lane 4g + t, dword i: row g + 8 (i mod 2), columns 16 (i / 2) + 4t to + 3.
  for (int64_t lane = 0; lane < 32; ++lane)
    for (int64_t word = 0; word < 4; ++word)
      for (int64_t i = 0; i < 4; ++i)
        EXPECT_EQ(
            elementPlace(Layout::E4M3M16K32, 64, 16 + lane / 4 + word % 2 * 8, 32 + word / 2 * 16 + lane % 4 * 4 + i)
                .offset,
            (64 + 1024) + 64 + 512 + lane * 16 + word * 4 + i);
  EXPECT_EQ(rowScalePlace(64, 18), 64 + 1024 + 8);
  EXPECT_EQ(scalePlace(Layout::Q8M16K32, 64, 13, 40), 544 + 512 + 5 * 4 + 2);
  EXPECT_EQ(scalePlace(Layout::Q4M16K64Sym, 64, 13, 40), 512 + 5 * 8 + 4 + 2);
  EXPECT_EQ(scalePlace(Layout::Q4M16K64Asym, 64, 13, 40), 512 + 5 * 16 + 4 + 2);
  EXPECT_EQ(minPlace(Layout::Q4M16K64Asym, 64, 13, 40), 512 + 5 * 16 + 8 + 4 + 2);
  EXPECT_EQ(scalePlace(Layout::Q4M16K128Asym, 256, 13, 140), 1088 + 1024 + 5 * 8 + 2);
  EXPECT_EQ(minPlace(Layout::Q4M16K128Asym, 256, 13, 140), 1088 + 1024 + 5 * 8 + 4 + 2);
  EXPECT_EQ(scalePlace(Layout::Q5M16K64Sym, 64, 13, 40), 640 + 5 * 8 + 4 + 2);
  EXPECT_EQ(minPlace(Layout::Q5M16K64Asym, 64, 13, 40), 640 + 5 * 16 + 8 + 4 + 2);
  EXPECT_EQ(scalePlace(Layout::Q4KM16K128, 256, 13, 128 + 70), 1216 + 1024 + 5 * 16 + 2 * 2 + 1);
  EXPECT_EQ(minPlace(Layout::Q4KM16K128, 256, 13, 128 + 70), 1216 + 1024 + 5 * 16 + 8 + 2 * 2 + 1);
  EXPECT_EQ(headerPlace(Layout::Q4KM16K128, 256, 13, 128 + 70), 1216 + 1024 + 128 + 5 * 8 + 2);
  EXPECT_EQ(headerMinStep(Layout::Q4KM16K128), 4);
  EXPECT_EQ(scalePlace(Layout::Q6KM16K128, 256, 13, 128 + 70), 1696 + 1536 + 5 * 16 + 4 * 2 + 1);
  EXPECT_EQ(headerPlace(Layout::Q6KM16K128, 256, 13, 128 + 70), 1696 + 1536 + 128 + 5 * 4 + 2);
}

/// No two codes, scales or mins share a bit, and together they fill the superblocks.
TEST(PackedLayout, FragmentPlacesFillTheSuperblocks) {
  const int64_t rows = 32, cols = 128;
  for (Layout l : kAll) {
    if (!isFragment(l))
      continue;
    std::set<int64_t> bits;
    const QuantFormat format = quantFormat(l);
    const int64_t upper = isQuantized(l) ? upperLines(l) : 0, scale = 8 * scaleBytes(l);
    int64_t width = upper > 0 || isFourBit(l) ? 4 : isEightBit(l) || l == Layout::E4M3M16K32 ? 8 : 16, count = 0;
    auto take = [&](int64_t first, int64_t size) {
      for (int64_t i = 0; i < size; ++i)
        bits.insert(first + i);
      count += size;
    };
    for (int64_t row = 0; row < rows && l == Layout::E4M3M16K32; ++row)
      take(rowScalePlace(cols, row) * 8, 32);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t col = 0; col < cols; ++col) {
        ElementPlace place = elementPlace(l, cols, row, col);
        take(place.offset * 8 + place.highNibble * 4, width);
        if (upper > 0)
          take(place.upperOffset * 8 + place.upperShift, upper);
        if (isQuantized(l) && col % format.group == 0)
          take(scalePlace(l, cols, row, col) * 8, scale);
        if (isAsymmetric(l) && col % std::max(format.group, kQuantGroup) == 0)
          take(minPlace(l, cols, row, col) * 8, scale);
        if (!format.byteScales || col % superblockCols(l) != 0)
          continue;
        take(headerPlace(l, cols, row, col) * 8, 16);
        if (isAsymmetric(l))
          take((headerPlace(l, cols, row, col) + headerMinStep(l)) * 8, 16);
      }
    EXPECT_EQ(static_cast<int64_t>(bits.size()), count) << layoutName(l);
    EXPECT_EQ(count, 8 * packedBytes(l, rows, cols)) << layoutName(l);
    EXPECT_EQ(*bits.rbegin(), count - 1) << layoutName(l);
  }
}

/// The documented formulas, written out once more.
TEST(PackedLayout, PlacesFollowTheDocument) {
  // q4: line h*4+j, lane r, byte i: low nibble k=64b+32h+4j+i, high nibble k+16.
  for (int b = 0; b < 2; ++b)
    for (int h = 0; h < 2; ++h)
      for (int j = 0; j < 4; ++j)
        for (int i = 0; i < 4; ++i)
          for (int r = 0; r < 16; ++r) {
            int64_t offset = 576 * b + (h * 4 + j) * 64 + r * 4 + i, k = 64 * b + 32 * h + 4 * j + i;
            ElementPlace low = elementPlace(Layout::Q4N16K4Sym, 128, r, k),
                         high = elementPlace(Layout::Q4N16K4Sym, 128, r, k + 16);
            EXPECT_EQ(low.offset, offset);
            EXPECT_FALSE(low.highNibble);
            EXPECT_EQ(high.offset, offset);
            EXPECT_TRUE(high.highNibble);
            EXPECT_EQ(scalePlace(Layout::Q4N16K4Sym, 128, r, k), 576 * b + 512 + h * 32 + r * 2);
          }
  EXPECT_EQ(minPlace(Layout::Q4N16K4Asym, 128, 16 + 3, 64 + 40), 2 * 640 + 640 + 512 + 64 + 32 + 6);
  EXPECT_EQ(elementPlace(Layout::Q8N16K4, 128, 5, 64 + 4 * 9 + 2).offset, 1088 + 9 * 64 + 5 * 4 + 2);
  EXPECT_EQ(scalePlace(Layout::Q8N16K4, 128, 5, 32), 1024 + 32 + 10);
  EXPECT_EQ(elementPlace(Layout::BF16N16K2, 8, 3, 4).offset, 2 * 64 + 3 * 4 + 2); // even k: high half
  EXPECT_EQ(elementPlace(Layout::BF16N16K2, 8, 3, 5).offset, 2 * 64 + 3 * 4);
  EXPECT_EQ(elementPlace(Layout::F16N16, 8, 3, 5).offset, 5 * 32 + 3 * 2);
  EXPECT_EQ(elementPlace(Layout::F32N16, 8, 17, 5).offset, 8 * 64 + 5 * 64 + 4);
}

/// Upper bits and byte scales, by the formulas of the document.
TEST(PackedLayout, PlacesOfUpperBitsAndByteScales) {
  for (int b = 0; b < 4; ++b)
    for (int h = 0; h < 2; ++h)
      for (int s = 0; s < 8; ++s)
        for (int i = 0; i < 4; ++i) {
          int64_t r = (3 * s + i) % 16, k = 64 * b + 32 * h + 4 * s + i;
          ElementPlace five = elementPlace(Layout::Q5N16K4Sym, 256, r, k);
          EXPECT_EQ(five.upperOffset, 704 * b + 512 + h * 64 + r * 4 + i);
          EXPECT_EQ(five.upperShift, s);
          ElementPlace six = elementPlace(Layout::Q6KN16K4, 256, r, k);
          EXPECT_EQ(six.offset, 64 + 832 * b + (h * 4 + s % 4) * 64 + r * 4 + i);
          EXPECT_EQ(six.upperOffset, 64 + 832 * b + 512 + (2 * h + s / 4) * 64 + r * 4 + i);
          EXPECT_EQ(six.upperShift, s % 4 * 2);
          EXPECT_EQ(scalePlace(Layout::Q6KN16K4, 256, r, k), 64 + 832 * b + 768 + (2 * h + s / 4) * 16 + r);
          EXPECT_EQ(scalePlace(Layout::Q4KN16K4, 256, r, k), 64 + 576 * b + 512 + h * 16 + r);
          EXPECT_EQ(minPlace(Layout::Q4KN16K4, 256, r, k), 64 + 576 * b + 512 + 32 + h * 16 + r);
        }
  EXPECT_EQ(headerPlace(Layout::Q4KN16K4, 768, 16 + 3, 256 + 40), (3 * 64 + 12 * 576) + 64 + 6);
  EXPECT_EQ(headerPlace(Layout::Q6KN16K4, 768, 16 + 3, 512), (128 + 12 * 832) + 64 + 6);
}

int64_t minSize(Layout l) { return std::max<int64_t>(quantFormat(l).group, 32); }

/// A random weight in the form that packing takes, and the values that it stands for.
struct RandomWeight {
  RandomWeight(Layout l, int64_t rows, int64_t cols);
  int64_t groupsOf(int64_t size) const { return (cols + size - 1) / size; }
  void fillScales(Layout l);
  float quantized(Layout l, int64_t i);
  LogicalWeight logical() const {
    return {rows, cols, codes.data(), scales.data(), mins.data(), blocks.data(), blockMins.data(), rowScales.data()};
  }

  std::mt19937 random{7};
  int64_t rows, cols;
  std::vector<int32_t> codes;
  std::vector<uint16_t> scales, mins, blocks, blockMins;
  std::vector<float> rowScales, expected;
};

void RandomWeight::fillScales(Layout l) {
  QuantFormat format = quantFormat(l);
  auto half = [&](float from) { return f32ToF16(from + static_cast<float>(random() % 100) * 0.001f); };
  for (auto &s : scales)
    s = format.byteScales ? static_cast<uint16_t>(random() % (format.asymmetric ? 64 : 256)) : half(0.01f);
  for (auto &m : mins)
    m = format.byteScales ? static_cast<uint16_t>(random() % 64) : half(-0.5f);
  for (auto *table : {&blocks, &blockMins})
    for (auto &d : *table)
      d = half(0.001f);
}

/// Makes up code `i` and returns its value.
float RandomWeight::quantized(Layout l, int64_t i) {
  QuantFormat format = quantFormat(l);
  auto at = [&](int64_t size) { return i / cols * groupsOf(size) + i % cols / size; };
  codes[i] = static_cast<int32_t>(random() % (1u << format.bits)) - (format.bits == 8 ? 128 : 0);
  float scale = f16ToF32(scales[at(format.group)]), min = f16ToF32(mins[at(minSize(l))]);
  if (format.byteScales) {
    auto byte = static_cast<uint8_t>(scales[at(format.group)]);
    int number = format.asymmetric ? byte : static_cast<int8_t>(byte);
    scale = f16ToF32(blocks[at(256)]) * static_cast<float>(number);
    min = -f16ToF32(blockMins[at(256)]) * static_cast<float>(mins[at(minSize(l))]);
  }
  float product = scale * static_cast<float>(codes[i] - (format.bits == 8 ? 0 : format.zero));
  return format.asymmetric ? product + min : product;
}

RandomWeight::RandomWeight(Layout l, int64_t n, int64_t k)
    : rows(n), cols(k), codes(n * k), scales(n * groupsOf(quantFormat(l).group)), mins(n * groupsOf(minSize(l))),
      blocks(n * groupsOf(256)), blockMins(n * groupsOf(256)), rowScales(n), expected(n * k) {
  for (float &scale : rowScales)
    scale = 0.001f * static_cast<float>(1 + random() % 100);
  fillScales(l);
  for (int64_t i = 0; i < rows * cols; ++i) {
    float value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 0.125f;
    expected[i] = value;
    switch (l) {
    case Layout::F32N16:
    case Layout::Plain:
      codes[i] = std::bit_cast<int32_t>(value);
      break;
    case Layout::F16N16:
    case Layout::F16M16K16:
      codes[i] = f32ToF16(value);
      break;
    case Layout::BF16N16K2:
    case Layout::BF16M16K16:
      codes[i] = static_cast<int32_t>(std::bit_cast<uint32_t>(value) >> 16);
      expected[i] = std::bit_cast<float>(codes[i] << 16);
      break;
    case Layout::E4M3M16K32:
      codes[i] = static_cast<int32_t>(random() % 2 * 128 + random() % 127);
      expected[i] = rowScales[i / cols] * e4m3ToF32(static_cast<uint8_t>(codes[i]));
      break;
    default:
      expected[i] = quantized(l, i);
    }
  }
}

TEST(PackedLayout, PackedValuesComeBack) {
  const int64_t rows = 37, cols = 300;
  for (Layout l : kAll) {
    RandomWeight weight(l, rows, cols);
    std::vector<uint8_t> packed(static_cast<size_t>(packedBytes(l, rows, cols)), 0xee);
    packReference(l, weight.logical(), packed.data());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < cols; ++c)
        ASSERT_EQ(unpackElement(l, packed.data(), cols, r, c), weight.expected[r * cols + c])
            << layoutName(l) << " " << r << "," << c;
    if (l == Layout::Plain)
      continue;
    for (int64_t r = rows; r < paddedRows(l, rows); ++r)
      for (int64_t c = 0; c < paddedCols(l, cols); ++c)
        ASSERT_EQ(unpackElement(l, packed.data(), cols, r, c), 0.0f) << layoutName(l);
  }
}

TEST(Half, EveryHalfRoundTrips) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = f16ToF32(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16ToF32(f32ToF16(value))));
      continue;
    }
    ASSERT_EQ(f32ToF16(value), bits);
  }
}

TEST(Half, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    double low = f16ToF32(static_cast<uint16_t>(bits)), high = f16ToF32(static_cast<uint16_t>(bits + 1));
    auto middle = static_cast<float>((low + high) / 2);
    ASSERT_EQ(f32ToF16(middle), bits % 2 == 0 ? bits : bits + 1) << bits;
    ASSERT_EQ(f32ToF16(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(f32ToF16(std::nextafter(middle, 1e9f)), bits + 1) << bits;
    ASSERT_EQ(f32ToF16(-middle), 0x8000u | (bits % 2 == 0 ? bits : bits + 1));
  }
  EXPECT_EQ(f32ToF16(65519.0f), 0x7bff);
  EXPECT_EQ(f32ToF16(65520.0f), 0x7c00);
}

TEST(E4M3, EveryByteRoundTripsAndHasTheValueOfItsFields) {
  for (uint32_t bits = 0; bits < 256; ++bits) {
    float value = e4m3ToF32(static_cast<uint8_t>(bits));
    uint32_t exponent = bits >> 3 & 15, fraction = bits & 7;
    if (exponent == 15 && fraction == 7) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_EQ(f32ToE4M3(value) & 0x7f, 0x7f);
      continue;
    }
    double magnitude =
        exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, static_cast<int>(exponent) - 10);
    EXPECT_EQ(value, bits & 0x80 ? -magnitude : magnitude) << bits;
    EXPECT_EQ(f32ToE4M3(value), bits);
  }
}

TEST(E4M3, RoundsToNearestEvenAndStopsAtTheLargest) {
  for (uint32_t bits = 0; bits < 0x7e; ++bits) {
    double low = e4m3ToF32(static_cast<uint8_t>(bits)), high = e4m3ToF32(static_cast<uint8_t>(bits + 1));
    auto middle = static_cast<float>((low + high) / 2);
    EXPECT_EQ(f32ToE4M3(middle), bits % 2 == 0 ? bits : bits + 1) << bits;
    EXPECT_EQ(f32ToE4M3(std::nextafter(middle, 0.0f)), bits) << bits;
    EXPECT_EQ(f32ToE4M3(std::nextafter(middle, 1e9f)), bits + 1) << bits;
    EXPECT_EQ(f32ToE4M3(-middle), 0x80u | (bits % 2 == 0 ? bits : bits + 1));
  }
  for (float large : {449.0f, 464.0f, 480.0f, 1e30f, INFINITY})
    EXPECT_EQ(f32ToE4M3(large), 0x7e) << large;
}

} // namespace
} // namespace llmc
