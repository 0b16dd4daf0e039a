// Numbers replace those of the table; whatever the tuner may try computes the same product.
#include "codegen/registry/MatmulTuning.h"

#include "runtime/device/cpu_features.h"
#include "tests/unit/codegen/cpu/matmul/matmul_harness.h"
#include "gtest/gtest.h"

namespace llmc {
namespace {

MatmulShape tuned(MatmulShape shape, const Level &level, std::vector<TunedNumber> numbers) {
  auto tuning = std::make_shared<MatmulTuning>();
  tuning->set(level.name, shape.mMax, std::move(numbers));
  shape.tuning = tuning;
  return shape;
}

TEST(MatmulTuning, ReplacesTheNumbersOfItsLevelAndClassAlone) {
  const Level &vnni = *findLevel("x86-64-v4-vnni"), &avx2 = *findLevel("x86-64-v3");
  MatmulShape shape{960, 576, Layout::Q4N16K4Asym, ActKind::Int8, 64, 1};
  MatmulShape other = tuned(shape, vnni, {{"tile_rows", 4}, {"row_scales", 0}});
  MatmulConfig config = chooseMatmul(vnni, other);
  EXPECT_EQ(config.tileRows, 4);
  EXPECT_FALSE(config.rowScales);
  EXPECT_EQ(config.rowBlock, 64);
  EXPECT_EQ(chooseMatmul(avx2, other), chooseMatmul(avx2, shape));
  other.mMax = 16;
  shape.mMax = 16;
  EXPECT_EQ(chooseMatmul(vnni, other), chooseMatmul(vnni, shape));
}

TEST(MatmulTuning, ScratchIsEnoughForTheTunedConfiguration) {
  const Level &vnni = *findLevel("x86-64-v4-vnni");
  MatmulShape shape{960, 576, Layout::Q4N16K4Asym, ActKind::Int8, 0, 1};
  MatmulShape large = tuned(shape, vnni, {{"row_block", 384}});
  EXPECT_GT(matmulScratchBytes(large), matmulScratchBytes(shape));
  EXPECT_GE(matmulScratchBytes(large),
            matmulSumsBytes(large, chooseMatmul(vnni, large)) + matmulRowScalesBytes(large, chooseMatmul(vnni, large)));
}

TEST(MatmulTuning, TwoPanelsBringTheirRowsAndPrefetchAndNeedUnitsOfWholePairs) {
  const Level &zen5 = *findLevel("x86-64-v4-vnni-bf16-vp2intersect"), &zen4 = *findLevel("x86-64-v4-vnni-bf16");
  MatmulShape shape{960, 576, Layout::Q8N16K4, ActKind::Int8, 64, 1};
  const int64_t panel = panelBytes(shape.layout, shape.k);
  std::string fault;
  const MatmulConfig table = chooseMatmul(zen5, shape), one = matmulWith(zen5, shape, {{"tile_panels", 1}}, fault);
  EXPECT_EQ(table.tilePanels, 2);
  EXPECT_EQ(table.tileRows, 4);
  EXPECT_EQ(table.prefetchBytes, 2 * panel);
  EXPECT_EQ(one, chooseMatmul(zen4, shape)) << fault;
  EXPECT_EQ(matmulWith(zen4, shape, {{"tile_panels", 2}}, fault), table) << fault;
  EXPECT_EQ(matmulSumsBytes(shape, table), 2 * matmulSumsBytes(shape, one));
  shape.unitPanels = 3;
  EXPECT_EQ(chooseMatmul(zen5, shape).tilePanels, 1);
  matmulWith(zen5, shape, {{"tile_panels", 2}}, fault);
  EXPECT_EQ(fault,
            "tile_panels 2: expected 1, or 2 with 512 bits, int8 activations or float weights, groups_per_iter 1 "
            "and units of one panel or pairs");
  shape.unitPanels = 2;
  EXPECT_EQ(matmulSumsBytes(shape, chooseMatmul(zen5, shape)), matmulSumsBytes(shape, chooseMatmul(zen4, shape)));
  matmulWith(*findLevel("x86-64-v3"), shape, {{"tile_panels", 2}}, fault);
  EXPECT_NE(fault, "");
}

TEST(MatmulTuning, TwoPanelsOfFloatsHaveAsManyRowsAsOne) {
  const Level &zen5 = *findLevel("x86-64-v4-vnni-bf16-vp2intersect");
  MatmulShape shape{960, 576, Layout::BF16N16K2, ActKind::F32, 0, 1};
  std::string fault;
  EXPECT_EQ(matmulWith(zen5, shape, {{"tile_panels", 2}, {"tile_rows", 12}}, fault).tileRows, 12) << fault;
  EXPECT_EQ(matmulWith(zen5, shape, {{"tile_panels", 2}}, fault).tileRows, 8) << fault;
  matmulWith(zen5, shape, {{"tile_panels", 2}, {"tile_rows", 16}}, fault);
  EXPECT_EQ(fault, "tile_rows 16: expected 1 to 12");
  shape.bf16Products = true; // pairs of columns: the same registers
  EXPECT_EQ(matmulWith(zen5, shape, {{"tile_rows", 12}}, fault).tilePanels, 2) << fault;
  EXPECT_EQ(matmulWith(*findLevel("x86-64-v4-vnni-bf16"), shape, {{"tile_panels", 2}}, fault).tileRows, 12) << fault;
  shape.bf16Products = false;
  shape.layout = Layout::Q8N16K4; // widened line by line
  matmulWith(zen5, shape, {{"tile_panels", 2}}, fault);
  EXPECT_NE(fault, "");
}

TEST(MatmulTuning, SumsInMemoryKeepTheUnitsOfTheirRows) {
  MatmulShape shape{960, 576, Layout::Q4N16K4Asym, ActKind::Int8, 64, 1};
  std::string fault;
  for (const Level *level : {findLevel("x86-64-v3"), &cpuLevels().back()}) {
    const MatmulConfig table = chooseMatmul(*level, shape);
    EXPECT_TRUE(table.rowScales);
    EXPECT_EQ(table.style, level->avx512 ? TileStyle::Wide : TileStyle::Words);
    EXPECT_EQ(matmulWith(*level, shape, {{"row_scales", 0}}, fault), table);
    EXPECT_EQ(fault.substr(0, 25), "row_scales 0: expected 1:");
    EXPECT_EQ(matmulWith(*level, shape, {{"tile_rows", 4}}, fault).tileRows, 4) << fault;
  }
  matmulWith(*findLevel("x86-64-v3"), shape, {{"unpack", 0}}, fault);
  EXPECT_EQ(fault, "unpack 0: expected 1: codes have to be turned");
}

TEST(MatmulTuning, AnAxisStartsWithTheTableAndIsLegal) {
  for (const Level &level : cpuLevels())
    for (Layout layout : {Layout::Q4N16K4Asym, Layout::Q8N16K4, Layout::Q4KN16K4, Layout::Q6KN16K4, Layout::BF16N16K2})
      for (int64_t mMax : kRowClasses) {
        MatmulShape shape{960, 576, layout, isQuantized(layout) ? ActKind::Int8 : ActKind::F32, mMax, 1};
        std::string fault;
        const MatmulConfig table = chooseMatmul(level, shape);
        EXPECT_EQ(matmulFault(level, shape, table), "") << describeMatmul(shape, table);
        for (const MatmulAxis &axis : matmulAxes(level, shape)) {
          EXPECT_GE(axis.values.size(), 2u);
          EXPECT_EQ(matmulWith(level, shape, {{axis.name, axis.values[0]}}, fault), table) << axis.name;
          for (int64_t value : axis.values) {
            matmulWith(level, shape, {{axis.name, value}}, fault);
            EXPECT_EQ(fault, "");
          }
        }
      }
}

/// Largest distance from the double reference, in units of the sum of magnitudes.
double worstError(const MatmulShape &shape, const Level &level) {
  BuiltMatmul kernel(shape, level, false);
  EXPECT_EQ(kernel.error, "");
  if (!kernel.error.empty())
    return 1;
  TestWeight weight(shape, 1);
  const int rows = shape.mMax ? static_cast<int>(shape.mMax) : 70;
  TestActivations x(shape, rows, 2);
  const size_t stride = rt::rowStrideBytes(static_cast<uint64_t>(shape.n) * 4) / 4;
  Buffer memory(stride * 4 * (static_cast<size_t>(rows) + 16));
  float *out = memory.as<float>();
  kernel.run(x.bytes.data(), weight.packed.data(), out, rows, 2);
  double worst = 0;
  for (int row = 0; row < rows; row += row < 3 ? 1 : 5)
    for (int64_t n = 0; n < shape.n; n += 7) {
      auto [sum, magnitude] = referenceOutput(weight, x, row, n);
      worst = std::max(worst, std::abs(out[static_cast<size_t>(row) * stride + static_cast<size_t>(n)] - sum) /
                                  (magnitude + 1e-30));
    }
  return worst;
}

class TunedProducts : public testing::TestWithParam<std::tuple<Layout, int64_t>> {};

TEST_P(TunedProducts, AllThatTheTunerTriesIsRight) {
  auto [layout, mMax] = GetParam();
  MatmulShape shape{40,
                    320,
                    layout, // three panels: tiles of two have one left
                    isQuantized(layout) ? ActKind::Int8 : ActKind::F32,
                    mMax,
                    1};
  size_t tried = 0;
  // The first and the last level that this machine has: without and with all that it can do.
  std::vector<const Level *> levels;
  for (const Level &level : cpuLevels())
    if (rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()))
      levels.push_back(&level);
  if (levels.size() > 2)
    levels = {levels.front(), levels.back()};
  for (const Level *each : levels) {
    const Level &level = *each;
    for (const MatmulAxis &axis : matmulAxes(level, shape))
      for (int64_t value : axis.values) {
        MatmulShape other = tuned(shape, level, {{axis.name, value}});
        // Row scales are 16-bit numbers (matmul_kernel_test.cc).
        const double tolerance = chooseMatmul(level, other).rowScales ? 4.0 / 32767 : 1e-6;
        EXPECT_LT(worstError(other, level), tolerance) << level.name.str() << " " << axis.name << " " << value << ": "
                                                       << describeMatmul(other, chooseMatmul(level, other));
        ++tried;
      }
  }
  if (!tried)
    GTEST_SKIP() << "this CPU has none of the levels";
}

INSTANTIATE_TEST_SUITE_P(All, TunedProducts,
                         testing::Combine(testing::Values(Layout::Q4N16K4Asym, Layout::Q6KN16K4, Layout::BF16N16K2),
                                          testing::Values(1, 16, 0)),
                         [](const auto &info) {
                           std::string name(layoutName(std::get<0>(info.param)));
                           std::erase(name, '-');
                           return name + "_m" + std::to_string(std::get<1>(info.param));
                         });

} // namespace
} // namespace llmc
