// Panels against the scalar reference: exact repacking of every stored format, padding, faults.
// Tests: BlockRepacker.cpp.
#include "compiler/engine/PanelPacker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "compiler/import/QuantBlock.h"
#include "tests/unit/compiler/engine/memory_rows.h"

namespace llmc {
namespace {

struct ExactCase {
  StorageType storage;
  Layout layout;
};

class ExactRepack : public testing::TestWithParam<ExactCase> {};

TEST_P(ExactRepack, EveryValueComesBack) {
  auto [storage, layout] = GetParam();
  ASSERT_TRUE(repacksExactly(layout, storage));
  for (int64_t cols : {32, 64, 96, 576, 256, 768}) {
    for (int count : {16, 5}) {
      if (cols % blockLength(storage) != 0) continue;
      test::MemoryTensor tensor = test::randomTensor(storage, count, cols, 11);
      std::vector<float> values = test::valuesOf(tensor);
      std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, cols)), 0xee);
      PanelPacker packer(layout, cols, false);
      ASSERT_EQ(packer.pack(storage, tensor.bytes.data(), count, panel.data()), 0u);
      for (int64_t r = 0; r < 16; ++r)
        for (int64_t k = 0; k < paddedCols(layout, cols); ++k) {
          float expected = r < count && k < cols ? values[static_cast<size_t>(r * cols + k)] : 0.0f;
          ASSERT_EQ(unpackElement(layout, panel.data(), cols, r, k), expected)
              << layoutName(layout) << " " << r << "," << k;
        }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ExactRepack,
    testing::Values(ExactCase{StorageType::F32, Layout::F32N16}, ExactCase{StorageType::F16, Layout::F32N16},
                    ExactCase{StorageType::BF16, Layout::F32N16}, ExactCase{StorageType::F16, Layout::F16N16},
                    ExactCase{StorageType::BF16, Layout::BF16N16K2}, ExactCase{StorageType::Q4_0, Layout::Q4N16K4Sym},
                    ExactCase{StorageType::Q4_1, Layout::Q4N16K4Asym}, ExactCase{StorageType::Q8_0, Layout::Q8N16K4},
                    ExactCase{StorageType::F16, Layout::F16M16K16}, ExactCase{StorageType::BF16, Layout::BF16M16K16},
                    ExactCase{StorageType::Q4_0, Layout::Q4M16K64Sym},
                    ExactCase{StorageType::Q4_1, Layout::Q4M16K64Asym}, ExactCase{StorageType::Q8_0, Layout::Q8M16K32},
                    ExactCase{StorageType::Q5_0, Layout::Q5N16K4Sym}, ExactCase{StorageType::Q5_1, Layout::Q5N16K4Asym},
                    ExactCase{StorageType::Q4_K, Layout::Q4KN16K4}, ExactCase{StorageType::Q5_K, Layout::Q5KN16K4},
                    ExactCase{StorageType::Q6_K, Layout::Q6KN16K4}, ExactCase{StorageType::Q5_0, Layout::Q5M16K64Sym},
                    ExactCase{StorageType::Q5_1, Layout::Q5M16K64Asym},
                    ExactCase{StorageType::Q4_K, Layout::Q4KM16K128}, ExactCase{StorageType::Q5_K, Layout::Q5KM16K128},
                    ExactCase{StorageType::Q6_K, Layout::Q6KM16K128}));

/// Codes and scales of a packed panel, to pack them once more in another layout.
struct PanelCodes {
  std::vector<int32_t> codes;
  std::vector<uint16_t> scales, mins;

  PanelCodes(Layout layout, const std::vector<uint8_t>& panel, int64_t cols) {
    auto word = [&](int64_t at) {
      uint16_t value;
      std::memcpy(&value, panel.data() + at, 2);
      return value;
    };
    for (int64_t r = 0; r < 16; ++r)
      for (int64_t k = 0; k < cols; ++k) {
        ElementPlace place = elementPlace(layout, cols, r, k);
        int code = panel[static_cast<size_t>(place.offset)];
        if (!isQuantized(layout)) code = word(place.offset);
        if (isEightBit(layout)) code -= 128;
        if (isFourBit(layout)) code = place.highNibble ? code >> 4 : code & 15;
        codes.push_back(code);
        if (!isQuantized(layout) || k % kQuantGroup != 0) continue;
        scales.push_back(word(scalePlace(layout, cols, r, k)));
        if (isAsymmetric(layout)) mins.push_back(word(minPlace(layout, cols, r, k)));
      }
  }
};

/// The fragment layouts hold, byte for byte, what the CPU's layouts hold, padding included.
TEST(PanelPacker, FragmentsAreTheReferenceOfTheSameCodes) {
  using enum Layout;
  for (auto [cpu, fragment] : {std::pair{F16N16, F16M16K16},
                               {BF16N16K2, BF16M16K16},
                               {Q8N16K4, Q8M16K32},
                               {Q4N16K4Sym, Q4M16K64Sym},
                               {Q4N16K4Asym, Q4M16K64Asym}})
    for (StorageType storage :
         {StorageType::F32, StorageType::BF16, StorageType::Q4_0, StorageType::Q4_1, StorageType::Q8_0})
      for (int64_t cols : {32, 96, 576}) {
        for (int count : {16, 5}) {
          test::MemoryTensor tensor = test::randomTensor(storage, count, cols, 21);
          auto packed = [&](Layout layout) {
            std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, cols)), 0xee);
            EXPECT_EQ(PanelPacker(layout, cols, false).pack(storage, tensor.bytes.data(), count, panel.data()), 0u);
            return panel;
          };
          PanelCodes codes(cpu, packed(cpu), cols);
          std::vector<uint8_t> expected(static_cast<size_t>(panelBytes(fragment, cols)));
          packReference(fragment, {16, cols, codes.codes.data(), codes.scales.data(), codes.mins.data()},
                        expected.data());
          EXPECT_EQ(packed(fragment), expected)
              << storageTypeName(storage) << " -> " << layoutName(fragment) << " " << count << " x " << cols;
        }
      }
}

/// The same of blocks that are only taken over: of byte scales the numbers that they are multiplied with, too.
TEST(PanelPacker, FragmentsOfBlocksAreTheReferenceOfTheSameCodes) {
  using enum Layout;
  for (auto [storage, layout] : {std::pair{StorageType::Q5_0, Q5M16K64Sym},
                                 {StorageType::Q5_1, Q5M16K64Asym},
                                 {StorageType::Q4_K, Q4KM16K128},
                                 {StorageType::Q5_K, Q5KM16K128},
                                 {StorageType::Q6_K, Q6KM16K128}})
    for (int64_t cols : {96, 512}) {
      const int64_t length = blockLength(storage);
      if (cols % length != 0) continue;
      for (int count : {16, 5}) {
        test::MemoryTensor tensor = test::randomTensor(storage, count, cols, 22);
        std::vector<int32_t> codes;
        std::vector<uint16_t> scales, mins, blocks, blockMins;
        const QuantFormat format = quantFormat(layout);
        for (int64_t i = 0; i < count * cols / length; ++i) {
          QuantBlock block;
          readQuantBlock(storage, tensor.bytes.data() + i * blockBytes(storage), block);
          codes.insert(codes.end(), block.codes, block.codes + length);
          (format.byteScales ? blocks : scales).push_back(block.scale);
          (format.byteScales ? blockMins : mins).push_back(block.min);
          if (!format.byteScales) continue;
          scales.insert(scales.end(), block.scales, block.scales + length / format.group);
          mins.insert(mins.end(), block.mins, block.mins + length / kQuantGroup);
        }
        std::vector<uint8_t> expected(static_cast<size_t>(panelBytes(layout, cols))), panel(expected.size(), 0xee);
        packReference(layout, {count, cols, codes.data(), scales.data(), mins.data(), blocks.data(), blockMins.data()},
                      expected.data());
        EXPECT_EQ(PanelPacker(layout, cols, false).pack(storage, tensor.bytes.data(), count, panel.data()), 0u);
        EXPECT_EQ(panel, expected) << storageTypeName(storage) << " " << count << " x " << cols;
      }
    }
}

TEST(PanelPacker, Q4_0IsExactInAsymmetricLayoutToo) {
  // scale * q - 8 * scale and scale * (q - 8) are the same number, rounded at most once: equal up to one float
  // rounding.
  test::MemoryTensor tensor = test::randomTensor(StorageType::Q4_0, 16, 128, 5);
  std::vector<float> values = test::valuesOf(tensor);
  std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(Layout::Q4N16K4Asym, 128)));
  PanelPacker packer(Layout::Q4N16K4Asym, 128, false);
  ASSERT_EQ(packer.pack(StorageType::Q4_0, tensor.bytes.data(), 16, panel.data()), 0u);
  for (int64_t r = 0; r < 16; ++r)
    for (int64_t k = 0; k < 128; ++k)
      ASSERT_EQ(unpackElement(Layout::Q4N16K4Asym, panel.data(), 128, r, k), values[static_cast<size_t>(r * 128 + k)]);
}

TEST(PanelPacker, OddColumnsOfFloatLayouts) {
  for (auto [storage, layout] : {std::pair{StorageType::F32, Layout::F32N16},
                                 {StorageType::F16, Layout::F16N16},
                                 {StorageType::BF16, Layout::BF16N16K2},
                                 {StorageType::F16, Layout::F16M16K16},
                                 {StorageType::BF16, Layout::BF16M16K16}}) {
    test::MemoryTensor tensor = test::randomTensor(storage, 16, 33, 2);
    std::vector<float> values = test::valuesOf(tensor);
    std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, 33)), 0xee);
    ASSERT_EQ(PanelPacker(layout, 33, false).pack(storage, tensor.bytes.data(), 16, panel.data()), 0u);
    for (int64_t r = 0; r < 16; ++r)
      for (int64_t k = 0; k < 33; ++k)
        ASSERT_EQ(unpackElement(layout, panel.data(), 33, r, k), values[static_cast<size_t>(r * 33 + k)]);
  }
}

/// Groups of 128: the CPU's layout repeats what the device's has once, and neither takes a file's groups of 32 over.
TEST(PanelPacker, WideGroupsAreTheSameOnBothTargets) {
  for (StorageType storage : {StorageType::BF16, StorageType::Q4_1})
    for (int64_t cols : {32, 128, 288, 576}) {
      for (int count : {16, 5}) {
        test::MemoryTensor tensor = test::randomTensor(storage, count, cols, 31);
        auto packed = [&](Layout layout, int64_t group) {
          std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, cols)), 0xee);
          EXPECT_EQ(PanelPacker(layout, cols, false, group).pack(storage, tensor.bytes.data(), count, panel.data()),
                    0u);
          return panel;
        };
        std::vector<uint8_t> device = packed(Layout::Q4M16K128Asym, kWideGroup), cpu = packed(Layout::Q4N16K4Asym, 128),
                             narrow = packed(Layout::Q4N16K4Asym, 0);
        std::vector<float> values = test::valuesOf(tensor);
        double wideError = 0, narrowError = 0, energy = 0;
        for (int64_t r = 0; r < 16; ++r)
          for (int64_t k = 0; k < cols; ++k) {
            const float value = r < count ? values[static_cast<size_t>(r * cols + k)] : 0.0f;
            const float wide = unpackElement(Layout::Q4M16K128Asym, device.data(), cols, r, k);
            ASSERT_EQ(wide, unpackElement(Layout::Q4N16K4Asym, cpu.data(), cols, r, k)) << r << "," << k;
            wideError += std::pow(wide - value, 2), energy += value * value;
            narrowError += std::pow(unpackElement(Layout::Q4N16K4Asym, narrow.data(), cols, r, k) - value, 2);
            if (r >= count) ASSERT_EQ(wide, 0.0f);
          }
        EXPECT_LT(wideError / energy, 2e-2) << storageTypeName(storage) << " " << cols;
        if (cols >= 128) EXPECT_GT(wideError, narrowError) << storageTypeName(storage) << " " << cols;
      }
    }
  EXPECT_TRUE(repacksExactly(Layout::Q4N16K4Asym, StorageType::Q4_1));
  EXPECT_FALSE(repacksExactly(Layout::Q4N16K4Asym, StorageType::Q4_1, kWideGroup));
}

/// 8-bit floats: the device's panel and the CPU's floats are the same numbers, the largest of a row exact.
TEST(PanelPacker, E4M3IsTheSameOnBothTargets) {
  for (StorageType storage : {StorageType::BF16, StorageType::F32, StorageType::Q8_0})
    for (int64_t cols : {32, 96, 576})
      for (int count : {16, 5}) {
        test::MemoryTensor tensor = test::randomTensor(storage, count, cols, 41);
        std::vector<float> values = test::valuesOf(tensor);
        auto packed = [&](Layout layout) {
          std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, cols)), 0xee);
          EXPECT_EQ(PanelPacker(layout, cols, false, 0, true).pack(storage, tensor.bytes.data(), count, panel.data()),
                    0u);
          return panel;
        };
        std::vector<uint8_t> device = packed(Layout::E4M3M16K32), cpu = packed(Layout::F32N16);
        for (int64_t r = 0; r < 16; ++r) {
          float largest = 0, difference = 0;
          for (int64_t k = 0; k < cols; ++k) {
            const float value = r < count ? values[static_cast<size_t>(r * cols + k)] : 0.0f;
            const float found = unpackElement(Layout::E4M3M16K32, device.data(), cols, r, k);
            ASSERT_EQ(found, unpackElement(Layout::F32N16, cpu.data(), cols, r, k)) << r << "," << k;
            largest = std::max(largest, std::abs(value));
            // Half a step: 1/16 of the value, or of the smallest normal number.
            difference = std::max(difference, std::abs(found - value) - std::abs(value) / 16);
          }
          EXPECT_LE(difference, largest / 448 * 0x1p-10f * 1.001f) << r;
          EXPECT_TRUE(r < count || largest == 0);
        }
      }
  uint16_t infinite = 0x7f80;
  test::MemoryTensor tensor = test::randomTensor(StorageType::BF16, 16, 64, 4);
  std::memcpy(tensor.bytes.data() + 7 * 128 + 6, &infinite, 2);
  std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(Layout::E4M3M16K32, 64)));
  EXPECT_EQ(PanelPacker(Layout::E4M3M16K32, 64, false).pack(StorageType::BF16, tensor.bytes.data(), 16, panel.data()),
            1u << 7);
}

TEST(PanelPacker, QuantizedPanelsAreCloseAndPadded) {
  for (Layout layout : {Layout::Q4N16K4Sym, Layout::Q4N16K4Asym, Layout::Q8N16K4, Layout::Q4M16K64Sym,
                        Layout::Q4M16K64Asym, Layout::Q8M16K32}) {
    for (int64_t cols : {32, 100, 576}) {
      test::MemoryTensor tensor = test::randomTensor(StorageType::BF16, 9, cols, 3);
      std::vector<float> values = test::valuesOf(tensor);
      std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, cols)), 0xee);
      ASSERT_EQ(PanelPacker(layout, cols, false).pack(StorageType::BF16, tensor.bytes.data(), 9, panel.data()), 0u);
      double error = 0, energy = 0;
      for (int64_t r = 0; r < 9; ++r)
        for (int64_t k = 0; k < cols; ++k) {
          double value = values[static_cast<size_t>(r * cols + k)];
          error += std::pow(unpackElement(layout, panel.data(), cols, r, k) - value, 2), energy += value * value;
        }
      EXPECT_LT(error / energy, isEightBit(layout) ? 1e-4 : 1e-2) << layoutName(layout);
      EXPECT_GT(error, 0.0);
      for (int64_t r = 9; r < 16; ++r)
        for (int64_t k = 0; k < cols; ++k) ASSERT_EQ(unpackElement(layout, panel.data(), cols, r, k), 0.0f);
    }
  }
}

TEST(PanelPacker, FaultsInEveryLayout) {
  uint16_t halfNan = 0x7e01, bfloatInf = 0x7f80;
  auto faultsOf = [](StorageType storage, Layout layout, size_t at, uint16_t bits) {
    int64_t cols = std::max<int64_t>(64, blockLength(storage));
    test::MemoryTensor tensor = test::randomTensor(storage, 16, cols, 4);
    std::memcpy(tensor.bytes.data() + 7 * storedRowBytes(storage, cols) + static_cast<int64_t>(at), &bits, 2);
    std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, cols)));
    return PanelPacker(layout, cols, false).pack(storage, tensor.bytes.data(), 16, panel.data());
  };
  EXPECT_EQ(faultsOf(StorageType::F16, Layout::F16N16, 6, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::F16, Layout::F32N16, 6, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::BF16, Layout::BF16N16K2, 6, bfloatInf), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::BF16, Layout::F16N16, 6, bfloatInf), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::BF16, Layout::F16N16, 6, 0x7f00), 0x10000u << 7);  // 1.7e38: finite, not in f16
  EXPECT_EQ(faultsOf(StorageType::Q4_0, Layout::Q4N16K4Sym, 18, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q4_0, Layout::Q4N16K4Asym, 18, 0x7b00), 0x10000u << 7);  // -8 * 57344
  EXPECT_EQ(faultsOf(StorageType::Q4_1, Layout::Q4N16K4Asym, 22, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q8_0, Layout::Q8N16K4, 0, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q5_0, Layout::Q5N16K4Sym, 22, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q5_1, Layout::Q5N16K4Asym, 26, 0xfc00), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q4_K, Layout::Q4KN16K4, 0, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q5_K, Layout::Q5KN16K4, 2, 0x7c00), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q6_K, Layout::Q6KN16K4, 208, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q5_1, Layout::Q5M16K64Asym, 26, 0xfc00), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q5_K, Layout::Q5KM16K128, 2, 0x7c00), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::Q6_K, Layout::Q6KM16K128, 208, halfNan), 1u << 7);
  EXPECT_EQ(faultsOf(StorageType::BF16, Layout::Q8N16K4, 6, bfloatInf) & 0xffffu, 1u << 7);
}

TEST(PanelPacker, SomeLayoutsAreOnlyTakenOver) {
  EXPECT_TRUE(canPack(Layout::Q4N16K4Sym, StorageType::F32));
  EXPECT_TRUE(canPack(Layout::Q8N16K4, StorageType::Q6_K));
  EXPECT_TRUE(canPack(Layout::Q6KN16K4, StorageType::Q6_K));
  EXPECT_FALSE(canPack(Layout::Q6KN16K4, StorageType::Q8_0));
  EXPECT_FALSE(canPack(Layout::Q4KN16K4, StorageType::Q5_K));
  EXPECT_FALSE(canPack(Layout::Q5N16K4Asym, StorageType::F32));
  EXPECT_TRUE(canPack(Layout::Q4KM16K128, StorageType::Q4_K));
  EXPECT_FALSE(canPack(Layout::Q4KM16K128, StorageType::BF16));
}

}  // namespace
}  // namespace llmc
