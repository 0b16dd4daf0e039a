// Layout arithmetic and the scalar reference: places are disjoint, as documented, and what is packed comes back.
#include "codegen/registry/PackedLayout.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <vector>

namespace llmc {
namespace {

constexpr Layout kAll[] = {Layout::F32N16,      Layout::F16N16,   Layout::BF16N16K2,   Layout::Q4N16K4Sym,
                           Layout::Q4N16K4Asym, Layout::Q8N16K4,  Layout::Plain,       Layout::BF16M16K16,
                           Layout::F16M16K16,   Layout::Q8M16K32, Layout::Q4M16K64Sym, Layout::Q4M16K64Asym};

TEST(PackedLayout, NamesRoundTrip) {
  std::set<std::string_view> names;
  for (Layout l : kAll) {
    EXPECT_EQ(layoutByName(layoutName(l)), l);
    names.insert(layoutName(l));
  }
  EXPECT_EQ(names.size(), std::size(kAll));
  EXPECT_FALSE(layoutByName("q5"));
}

TEST(PackedLayout, Sizes) {
  EXPECT_EQ(superblockBytes(Layout::Q4N16K4Sym), 576);
  EXPECT_EQ(superblockBytes(Layout::Q4N16K4Asym), 640);
  EXPECT_EQ(superblockBytes(Layout::Q8N16K4), 1088);
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
}

TEST(PackedLayout, FragmentLayoutsOfWeightKinds) {
  EXPECT_EQ(fragmentLayoutFor(WeightKind::BF16, true), Layout::BF16M16K16);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::F16, true), Layout::F16M16K16);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I8, true), Layout::Q8M16K32);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I4, true), Layout::Q4M16K64Sym);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::I4, false), Layout::Q4M16K64Asym);
  EXPECT_EQ(fragmentLayoutFor(WeightKind::F32, true), std::nullopt);
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
        }
      }
  EXPECT_EQ(scalePlace(Layout::Q8M16K32, 64, 13, 40), 544 + 512 + 5 * 4 + 2);
  EXPECT_EQ(scalePlace(Layout::Q4M16K64Sym, 64, 13, 40), 512 + 5 * 8 + 4 + 2);
  EXPECT_EQ(scalePlace(Layout::Q4M16K64Asym, 64, 13, 40), 512 + 5 * 16 + 4 + 2);
  EXPECT_EQ(minPlace(Layout::Q4M16K64Asym, 64, 13, 40), 512 + 5 * 16 + 8 + 4 + 2);
}

/// No two codes, scales or mins share a place, and together they fill the superblocks.
TEST(PackedLayout, FragmentPlacesFillTheSuperblocks) {
  const int64_t rows = 32, cols = 128;
  for (Layout l : kAll) {
    if (!isFragment(l))
      continue;
    std::set<int64_t> nibbles;
    int64_t width = isFourBit(l) ? 1 : isEightBit(l) ? 2 : 4, count = 0;
    auto take = [&](int64_t first, int64_t size) {
      for (int64_t i = 0; i < size; ++i)
        nibbles.insert(first + i);
      count += size;
    };
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t col = 0; col < cols; ++col) {
        ElementPlace place = elementPlace(l, cols, row, col);
        take(place.offset * 2 + place.highNibble, width);
        if (!isQuantized(l) || col % kQuantGroup != 0)
          continue;
        take(scalePlace(l, cols, row, col) * 2, 4);
        if (isAsymmetric(l))
          take(minPlace(l, cols, row, col) * 2, 4);
      }
    EXPECT_EQ(static_cast<int64_t>(nibbles.size()), count) << layoutName(l);
    EXPECT_EQ(count, 2 * packedBytes(l, rows, cols)) << layoutName(l);
    EXPECT_EQ(*nibbles.rbegin(), count - 1) << layoutName(l);
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

/// Rows of padding, and their columns of padding, are zero.
void expectZeroRows(Layout l, const std::vector<uint8_t> &packed, int64_t rows, int64_t cols) {
  for (int64_t r = rows; r < paddedRows(l, rows); ++r)
    for (int64_t c = 0; c < paddedCols(l, cols); ++c)
      ASSERT_EQ(unpackElement(l, packed.data(), cols, r, c), 0.0f) << layoutName(l);
}

TEST(PackedLayout, PackedValuesComeBack) {
  std::mt19937 random(7);
  const int64_t rows = 37, cols = 100, groups = 4;
  for (Layout l : kAll) {
    std::vector<int32_t> codes(rows * cols);
    std::vector<uint16_t> scales(rows * groups), mins(rows * groups);
    for (auto &s : scales)
      s = f32ToF16(0.01f + static_cast<float>(random() % 100) * 0.001f);
    for (auto &m : mins)
      m = f32ToF16(-0.05f * static_cast<float>(random() % 10));
    std::vector<float> expected(rows * cols);
    for (int64_t i = 0; i < rows * cols; ++i) {
      int64_t group = i / cols * groups + i % cols / 32;
      float value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 0.125f;
      switch (l) {
      case Layout::F32N16:
      case Layout::Plain:
        codes[i] = std::bit_cast<int32_t>(value);
        expected[i] = value;
        break;
      case Layout::F16N16:
      case Layout::F16M16K16:
        codes[i] = f32ToF16(value);
        expected[i] = value;
        break;
      case Layout::BF16N16K2:
      case Layout::BF16M16K16:
        codes[i] = static_cast<int32_t>(std::bit_cast<uint32_t>(value) >> 16);
        expected[i] = std::bit_cast<float>(codes[i] << 16);
        break;
      case Layout::Q8N16K4:
      case Layout::Q8M16K32:
        codes[i] = static_cast<int32_t>(random() % 256) - 128;
        expected[i] = f16ToF32(scales[group]) * static_cast<float>(codes[i]);
        break;
      case Layout::Q4N16K4Sym:
      case Layout::Q4M16K64Sym:
        codes[i] = static_cast<int32_t>(random() % 16);
        expected[i] = f16ToF32(scales[group]) * static_cast<float>(codes[i] - 8);
        break;
      case Layout::Q4N16K4Asym:
      case Layout::Q4M16K64Asym: {
        codes[i] = static_cast<int32_t>(random() % 16);
        float product = f16ToF32(scales[group]) * static_cast<float>(codes[i]);
        expected[i] = product + f16ToF32(mins[group]);
      }
      }
    }
    std::vector<uint8_t> packed(static_cast<size_t>(packedBytes(l, rows, cols)), 0xee);
    packReference(l, {rows, cols, codes.data(), scales.data(), mins.data()}, packed.data());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < cols; ++c)
        ASSERT_EQ(unpackElement(l, packed.data(), cols, r, c), expected[r * cols + c])
            << layoutName(l) << " " << r << "," << c;
    if (l != Layout::Plain)
      expectZeroRows(l, packed, rows, cols);
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

} // namespace
} // namespace llmc
