// Panels against the scalar reference: exact repacking of every stored format, padding, faults.
#include "compiler/engine/PanelPacker.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

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
  for (int64_t cols : {32, 64, 96, 576}) {
    for (int count : {16, 5}) {
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
                    ExactCase{StorageType::Q4_1, Layout::Q4N16K4Asym}, ExactCase{StorageType::Q8_0, Layout::Q8N16K4}));

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
                                 {StorageType::BF16, Layout::BF16N16K2}}) {
    test::MemoryTensor tensor = test::randomTensor(storage, 16, 33, 2);
    std::vector<float> values = test::valuesOf(tensor);
    std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, 33)), 0xee);
    ASSERT_EQ(PanelPacker(layout, 33, false).pack(storage, tensor.bytes.data(), 16, panel.data()), 0u);
    for (int64_t r = 0; r < 16; ++r)
      for (int64_t k = 0; k < 33; ++k)
        ASSERT_EQ(unpackElement(layout, panel.data(), 33, r, k), values[static_cast<size_t>(r * 33 + k)]);
  }
}

TEST(PanelPacker, QuantizedPanelsAreCloseAndPadded) {
  for (Layout layout : {Layout::Q4N16K4Sym, Layout::Q4N16K4Asym, Layout::Q8N16K4}) {
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
      EXPECT_LT(error / energy, layout == Layout::Q8N16K4 ? 1e-4 : 1e-2) << layoutName(layout);
      EXPECT_GT(error, 0.0);
      for (int64_t r = 9; r < 16; ++r)
        for (int64_t k = 0; k < cols; ++k) ASSERT_EQ(unpackElement(layout, panel.data(), cols, r, k), 0.0f);
    }
  }
}

TEST(PanelPacker, FaultsInEveryLayout) {
  uint16_t halfNan = 0x7e01, bfloatInf = 0x7f80;
  auto faultsOf = [](StorageType storage, Layout layout, size_t at, uint16_t bits) {
    test::MemoryTensor tensor = test::randomTensor(storage, 16, 64, 4);
    std::memcpy(tensor.bytes.data() + 7 * storedRowBytes(storage, 64) + static_cast<int64_t>(at), &bits, 2);
    std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, 64)));
    return PanelPacker(layout, 64, false).pack(storage, tensor.bytes.data(), 16, panel.data());
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
  EXPECT_EQ(faultsOf(StorageType::BF16, Layout::Q8N16K4, 6, bfloatInf) & 0xffffu, 1u << 7);
}

}  // namespace
}  // namespace llmc
