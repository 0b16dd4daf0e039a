// The table of loop nests: what it chooses is possible on the level, its scratch suffices, and its description says it.
#include "codegen/registry/MatmulConfig.h"

#include "gtest/gtest.h"

namespace llmc {
namespace {

std::vector<MatmulShape> everyShape() {
  std::vector<MatmulShape> shapes;
  for (int64_t mMax : kRowClasses)
    for (auto [n, k] : {std::pair<int64_t, int64_t>{960, 576}, {49152, 576}, {576, 1536}, {14336, 4096}})
      for (auto [layout, act] : {std::pair{Layout::F32N16, ActKind::F32},
                                 {Layout::F16N16, ActKind::F32},
                                 {Layout::BF16N16K2, ActKind::F32},
                                 {Layout::Q4N16K4Sym, ActKind::Int8},
                                 {Layout::Q4N16K4Asym, ActKind::Int8},
                                 {Layout::Q4N16K4Asym, ActKind::F32},
                                 {Layout::Q8N16K4, ActKind::Int8},
                                 {Layout::Q6KN16K4, ActKind::Int8}})
        shapes.push_back({n, k, layout, act, mMax, 1});
  return shapes;
}

TEST(MatmulConfig, WhatIsChosenIsPossible) {
  for (const Level &level : cpuLevels())
    for (const MatmulShape &shape : everyShape()) {
      const MatmulConfig config = chooseMatmul(level, shape);
      SCOPED_TRACE(level.name.str() + ": " + describeMatmul(shape, config));
      EXPECT_GE(config.tileRows, 1);
      EXPECT_LE(config.tileRows, 16) << "kernels may read 15 rows past M";
      EXPECT_EQ(config.rowBlock % config.tileRows, 0);
      const bool integer = config.style == TileStyle::Direct || config.style == TileStyle::Steps ||
                           config.style == TileStyle::Words || config.style == TileStyle::Wide;
      EXPECT_EQ(integer, shape.act == ActKind::Int8);
      if (config.style == TileStyle::Pairs)
        EXPECT_TRUE(level.bf16 && shape.layout == Layout::BF16N16K2);
      if (config.tilePanels > 1)
        EXPECT_TRUE(level.avx512 && (config.style == TileStyle::Direct || config.style == TileStyle::Wide ||
                                     config.style == TileStyle::Pairs ||
                                     (config.style == TileStyle::Float && !isQuantized(shape.layout))));
      if (shape.mMax == 1)
        EXPECT_EQ(config.tileRows, 1);
    }
}

TEST(MatmulConfig, ScratchSufficesForEveryVariantAtEveryLevel) {
  for (MatmulShape shape : everyShape()) {
    const int64_t bytes = matmulScratchBytes(shape);
    for (const Level &level : cpuLevels())
      for (int64_t mMax : kRowClasses) {
        shape.mMax = mMax;
        const MatmulConfig config = chooseMatmul(level, shape);
        EXPECT_GE(bytes, matmulSumsBytes(shape, config)) << level.name.str() << " " << mMax;
        EXPECT_GE(bytes, matmulUnpackBytes(shape, config)) << level.name.str() << " " << mMax;
        EXPECT_GE(bytes, matmulRowScalesBytes(shape, config)) << level.name.str() << " " << mMax;
        EXPECT_GE(bytes, matmulCopiedBytes(shape, config)) << level.name.str() << " " << mMax;
      }
  }
}

TEST(MatmulConfig, FewRowsOfLargeWeightsAreSharedOutInChunksOfWholeUnits) {
  const Level &level = cpuLevels().back();
  MatmulShape shape{16384, 2048, Layout::Q8N16K4, ActKind::Int8, 1, 1};
  EXPECT_EQ(chooseMatmul(level, shape).chunkItems(shape), 7) << "of 34,816 B each";
  shape.unitPanels = 8;
  EXPECT_EQ(chooseMatmul(level, shape).chunkItems(shape), 1);
  EXPECT_NE(describeMatmul(shape, chooseMatmul(level, shape)).find("a quarter dealt in chunks of 256 KB"),
            std::string::npos);
  shape.unitPanels = 1;
  shape.n = 2048;
  EXPECT_EQ(chooseMatmul(level, shape).chunkItems(shape), 4) << "8 chunks of the last 32 panels";
  shape.mMax = 64;
  EXPECT_EQ(chooseMatmul(level, shape).chunkBytes, 0);
  shape.mMax = 0;
  EXPECT_EQ(chooseMatmul(level, shape).chunkItems(shape), 1);
  const MatmulShape small{576, 576, Layout::Q4N16K4Asym, ActKind::Int8, 1, 1};
  EXPECT_EQ(chooseMatmul(level, small).chunkBytes, 0);
}

TEST(MatmulConfig, TheDescriptionNamesWhatWasChosen) {
  const MatmulShape shape{960, 576, Layout::Q4N16K4Asym, ActKind::Int8, 1, 1};
  MatmulConfig config = chooseMatmul(*findLevel("x86-64-v4-vnni"), shape);
  config.prefetchBytes = 5760;
  EXPECT_NE(describeMatmul(shape, config).find("direct, 1 x 16 sums in registers"), std::string::npos)
      << describeMatmul(shape, config);
  EXPECT_NE(describeMatmul(shape, config).find("prefetch 5760 B ahead"), std::string::npos)
      << describeMatmul(shape, config);
  config.style = TileStyle::Wide;
  config.tileRows = 16;
  config.tilePanels = 2;
  EXPECT_NE(describeMatmul(shape, config).find("wide, 16 x 32 sums in memory"), std::string::npos)
      << describeMatmul(shape, config);
}

} // namespace
} // namespace llmc
