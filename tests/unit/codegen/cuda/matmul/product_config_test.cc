// Configurations of products: they fit, read every weight byte once, keep enough bytes on their way; the model's
// numbers.
#include "codegen/cuda/matmul/ProductConfig.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <functional>
#include <vector>

namespace llmc {
namespace {

constexpr Layout kLayouts[] = {Layout::BF16M16K16,   Layout::F16M16K16,     Layout::Q8M16K32,   Layout::Q4M16K64Sym,
                               Layout::Q4M16K64Asym, Layout::Q4M16K128Asym, Layout::E4M3M16K32, Layout::Q5M16K64Sym,
                               Layout::Q5M16K64Asym, Layout::Q4KM16K128,    Layout::Q5KM16K128, Layout::Q6KM16K128};
constexpr int64_t kClasses[] = {8, 16, 32, 64, 512, 0};

struct Matrix {
  int64_t n, k, unitPanels;
};
/// Products of models of 135M, 1B and 8B parameters, a wide output, and one that no size divides.
constexpr Matrix kMatrices[] = {{960, 576, 1},     {3072, 576, 2},  {576, 1536, 1},   {2048, 8192, 1},
                                {6144, 4096, 1},   {4096, 4096, 1}, {28672, 4096, 2}, {4096, 14336, 1},
                                {128256, 4096, 1}, {50, 100, 1},    {128, 7168, 1}};

void forAll(llvm::ArrayRef<Matrix> matrices, llvm::ArrayRef<int64_t> classes,
            const std::function<void(const Arch &, const ProductShape &, const ProductConfig &)> &check) {
  for (const Arch &arch : cudaArchs())
    for (Layout layout : kLayouts)
      for (const Matrix &matrix : matrices)
        for (int64_t mMax : classes) {
          ProductShape shape{matrix.n, matrix.k, layout, mMax, matrix.unitPanels};
          ProductConfig config = chooseProduct(arch, shape);
          SCOPED_TRACE(arch.name.str() + " " + std::string(layoutName(layout)) + " " + std::to_string(matrix.n) +
                       " x " + std::to_string(matrix.k) + ", class " + std::to_string(mMax) + ": " +
                       describeProduct(arch, shape, config));
          check(arch, shape, config);
        }
}

TEST(ProductConfigTest, FitsTheArchitecture) {
  forAll(kMatrices, kClasses, [](const Arch &arch, const ProductShape &shape, const ProductConfig &config) {
    EXPECT_LE(productSharedBytes(shape, config), arch.sharedBytesMax);
    EXPECT_LE(config.threads(), 1024);
    EXPECT_GE(config.blocksPerSm, 1);
    if (config.form == ProductForm::Warpgroup) {
      EXPECT_LE(productRegisters(arch, shape, config), kProductRegisters);
      EXPECT_LE(kProductRegisters * config.rowWarps * 32 + kCopyRegisters * config.copyWarps * 32, 65536);
    } else {
      EXPECT_LE(productRegisters(arch, shape, config) * config.threads() * config.blocksPerSm, 65536);
    }
    EXPECT_LE(productRegisters(arch, shape, config), 255);
    EXPECT_EQ(config.blockPanels() % shape.unitPanels, 0);
    EXPECT_EQ(config.streams(), shape.mMax != 0 && shape.mMax <= 32);
    EXPECT_TRUE(config.splits == 1 || config.streams() || config.blockTokens() == shape.mMax);
    EXPECT_LE((config.splits - 1) * config.kWarps * (config.streams() ? config.held : config.stageBlocks),
              shape.blocks());
    EXPECT_TRUE(config.cluster == 1 || config.form == ProductForm::Warpgroup);
    if (config.streams()) {
      EXPECT_GE(config.blockTokens(), shape.mMax);
      EXPECT_EQ(config.held % config.stageBlocks, 0);
    }
    // The pieces of 16 bytes of a stage are shared out evenly, as copyX() wants them.
    int64_t pieces = config.stageBlocks * superblockCols(shape.layout) / (shape.e4m3() ? 16 : 8),
            threads = config.streams() ? 32 : config.threads();
    EXPECT_TRUE(pieces % threads == 0 || threads % pieces == 0);
  });
}

/// Walks the superblocks that every warp of every block loads, as product_stream.cuh does.
TEST(ProductConfigTest, StreamsLoadEverySuperblockOnce) {
  forAll(kMatrices, {8, 16, 32}, [](const Arch &, const ProductShape &shape, const ProductConfig &config) {
    if (shape.panels() > 1000)
      return;
    std::vector<bool> seen(static_cast<size_t>(shape.panels() * shape.blocks()));
    int64_t loads = 0;
    for (int64_t firstPanel = 0; firstPanel < shape.panels(); firstPanel += config.blockPanels())
      for (int64_t warp = 0; warp < config.kWarps * config.splits; ++warp)
        for (int64_t block = warp * config.held; block < shape.blocks();
             block += config.kWarps * config.splits * config.held)
          for (int64_t i = block; i < std::min(block + config.held, shape.blocks()); ++i)
            for (int64_t panel = firstPanel; panel < std::min(firstPanel + config.panels, shape.panels()); ++panel)
              seen[static_cast<size_t>(panel * shape.blocks() + i)] = true, ++loads;
    EXPECT_EQ(loads, shape.panels() * shape.blocks());
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), loads);
    EXPECT_EQ(loads * superblockBytes(shape.layout) + shape.panels() * headerBytes(shape.layout, shape.k),
              shape.weightBytes());
  });
}

/// Few columns leave most multiprocessors without a block: then several share K, as far as each warp of theirs has a
/// step. Near misses: short rows, and columns enough.
TEST(ProductConfigTest, SplitsServeFewColumnsOfLongRows) {
  const Arch &arch = *findArch("sm_90a");
  for (Layout layout : kLayouts) {
    SCOPED_TRACE(std::string(layoutName(layout)));
    ProductShape few{16, 65536, layout, 8, 1};
    const ProductConfig split = chooseProduct(arch, few);
    EXPECT_GT(split.splits, 1);
    ProductConfig whole = split;
    whole.splits = 1;
    EXPECT_LT(productCost(arch, few, split, 8).us(), productCost(arch, few, whole, 8).us() * 0.8);
    EXPECT_NE(describeProduct(arch, few, split).find("warps of each of " + std::to_string(split.splits) + " blocks"),
              std::string::npos);
    const int64_t rowBlocks = (few.panels() + split.panels - 1) / split.panels;
    EXPECT_EQ(productScratchBytes(few, split), rowBlocks * (split.splits * 8 * split.panels * 16 + 1) * 4);
    EXPECT_EQ(productScratchBytes(few, whole), 0);
    EXPECT_EQ(chooseProduct(arch, {64, 512, layout, 8, 1}).splits, 1);
    EXPECT_EQ(chooseProduct(arch, {16384, 16384, layout, 8, 1}).splits, 1);
  }
}

/// Sums that go through memory cost as much as weights, and nobody's memory plan has them: a head of 128,256 rows once
/// left 131 MB a launch to save the last percent.
TEST(ProductConfigTest, SumsOfSplitsStayInL2) {
  constexpr Matrix kWide[] = {{128256, 4096, 1}, {28672, 4096, 2}, {152064, 8192, 1}};
  forAll(kWide, {8, 16, 32}, [](const Arch &arch, const ProductShape &shape, const ProductConfig &config) {
    EXPECT_LE(productScratchBytes(shape, config) * 4, gpuOf(arch).l2Megabytes << 20);
  });
}

/// A multiprocessor of the GPUs with HBM needs 24 KB on their way to get its share: weights of large layers, or all
/// that a block has where there are fewer blocks than multiprocessors.
TEST(ProductConfigTest, EnoughBytesOnTheirWay) {
  constexpr Matrix kLarge[] = {{6144, 4096, 1}, {4096, 4096, 1}, {28672, 4096, 2}, {4096, 14336, 1}, {128256, 4096, 1}};
  forAll(kLarge, {8, 16}, [](const Arch &arch, const ProductShape &shape, const ProductConfig &config) {
    if (arch.sharedBytesMax > 100 * 1024)
      EXPECT_GE(productCost(arch, shape, config, shape.mMax).inFlight, 24e3);
  });
  // With 32 tokens x takes registers and L2 instead.
  forAll(kLarge, {32}, [](const Arch &arch, const ProductShape &shape, const ProductConfig &config) {
    ProductCost cost = productCost(arch, shape, config, shape.mMax);
    if (arch.sharedBytesMax > 100 * 1024)
      EXPECT_TRUE(cost.inFlight >= 24e3 || cost.l2Us >= 0.6 * cost.memoryUs) << cost.inFlight << " bytes";
  });
}

TEST(ProductConfigTest, CostsAreWhatTheShapeSays) {
  ProductShape shape{4096, 4096, Layout::Q4M16K64Sym, 8, 1};
  const Arch &arch = *findArch("sm_90a");
  ProductConfig config = chooseProduct(arch, shape);
  ProductCost cost = productCost(arch, shape, config, 8);
  EXPECT_EQ(cost.weightBytes, 256.0 * 64 * 576);
  EXPECT_EQ(cost.flops, 2.0 * 8 * 4096 * 4096);
  EXPECT_EQ(cost.xBytes, 256.0 / static_cast<double>(config.panels) * 8 * 4096 * 2);
  // 9.4 MB at 3.35 TB/s are 2.8 us; nothing may claim to be faster, or to be limited by the tensor cores.
  EXPECT_GE(cost.us(), 2.8);
  EXPECT_LT(cost.us(), 8.0);
  EXPECT_LT(cost.computeUs, cost.memoryUs);
}

TEST(ProductConfigTest, ManyTokensAreLimitedByComputing) {
  for (Layout layout : kLayouts) {
    ProductShape shape{28672, 4096, layout, 0, 2};
    const Arch &arch = *findArch("sm_80");
    ProductCost cost = productCost(arch, shape, chooseProduct(arch, shape), 4096);
    EXPECT_GT(std::max(cost.computeUs, cost.l2Us), 4 * cost.memoryUs) << layoutName(layout);
    EXPECT_GE(cost.computeUs, cost.flops / 312e6) << layoutName(layout);
  }
}

/// Products of e4m3 are there from sm_89 on; before, the description says what is done instead.
TEST(ProductConfigTest, DescriptionSaysHowE4M3IsMultiplied) {
  ProductShape shape{4096, 4096, Layout::E4M3M16K32, 8, 1};
  for (const Arch &arch : cudaArchs()) {
    std::string text = describeProduct(arch, shape, chooseProduct(arch, shape));
    bool has = arch.major * 10 + arch.minor >= 89;
    EXPECT_EQ(text.rfind(has ? "e4m3 products, stream, " : "e4m3 as f16: no such products before sm_89, stream, ", 0),
              0u)
        << text;
  }
}

TEST(ProductConfigTest, DescriptionHasBytesFlopsAndLimit) {
  ProductShape shape{4096, 4096, Layout::BF16M16K16, 8, 1};
  const Arch &arch = *findArch("sm_90a");
  std::string text = describeProduct(arch, shape, chooseProduct(arch, shape));
  EXPECT_EQ(text.rfind("stream, ", 0), 0u) << text;
  for (const char *part : {" warps along K, ", "M = 8: 33.6 MB of weights, ", "0.268 GFLOP",
                           " KB in flight a multiprocessor", "us (memory)"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  shape.mMax = 0;
  text = describeProduct(arch, shape, chooseProduct(arch, shape));
  EXPECT_EQ(text.rfind("warpgroups, 256 x 128 rows x tokens, clusters of 2, 12 warps, 4 stages", 0), 0u) << text;
  text = describeProduct(*findArch("sm_80"), shape, chooseProduct(*findArch("sm_80"), shape));
  EXPECT_EQ(text.rfind("tile ", 0), 0u) << text;
}

/// Tiles of 128 x 256 alone read more of L2 than it gives; with a neighbour that takes the same weights, and 256 rows
/// for x, tensor cores are nearly what limits products of long prompts.
TEST(ProductConfigTest, ClustersReadWeightsOnce) {
  const Arch &arch = *findArch("sm_90a");
  ProductShape shape{28672, 4096, Layout::BF16M16K16, 0, 2};
  const ProductConfig best = chooseProduct(arch, shape);
  EXPECT_EQ(best.cluster, 2);
  EXPECT_EQ(best.panels, 2);
  ProductConfig alone = best;
  alone.cluster = 1;
  const ProductCost shared = productCost(arch, shape, best, 2048), own = productCost(arch, shape, alone, 2048);
  // x once for 256 rows, weights once for 256 tokens instead of 128.
  const double x = 112 * 2048.0 * 4096 * 2, weights = 28672.0 * 4096 * 2;
  EXPECT_DOUBLE_EQ(shared.l2Us, (x + weights * 8) / 5.5e6);
  EXPECT_DOUBLE_EQ(own.l2Us, (x + weights * 16) / 5.5e6);
  EXPECT_DOUBLE_EQ(shared.computeUs, own.computeUs);
  EXPECT_LT(shared.us() * 1.4, own.us());
  EXPECT_GT(shared.flops / 1e6 / shared.us(), 0.85 * kWarpgroupTflops);
  // A block without tokens works for its neighbour.
  EXPECT_DOUBLE_EQ(productCost(arch, shape, best, 128).computeUs, productCost(arch, shape, best, 256).computeUs);
}

/// Chunks of 512 tokens of a narrow product: tiles for long prompts leave half of the multiprocessors without work.
TEST(ProductConfigTest, ChunksHaveTilesForAllMultiprocessors) {
  const Arch &arch = *findArch("sm_90a");
  ProductShape any{4096, 4096, Layout::BF16M16K16, 0, 1}, chunk = any;
  chunk.mMax = 512;
  const ProductConfig longPrompts = chooseProduct(arch, any), chunks = chooseProduct(arch, chunk);
  EXPECT_LT(productCost(arch, chunk, chunks, 512).us() * 1.2, productCost(arch, any, longPrompts, 512).us());
  EXPECT_LT(productCost(arch, any, longPrompts, 2048).us() * 1.2, productCost(arch, chunk, chunks, 2048).us());
}

/// Of 33 to 64 rows tiles are few and keep little on its way: longer rings, and blocks that share K.
TEST(ProductConfigTest, TilesOfFewRowsShareK) {
  const Arch &arch = *findArch("sm_90a");
  ProductShape shape{4096, 4096, Layout::BF16M16K16, 64, 1};
  const ProductConfig best = chooseProduct(arch, shape);
  ProductConfig before = best;
  before.splits = 1, before.stages = 4;
  EXPECT_GT(best.splits, 1);
  EXPECT_LT(productCost(arch, shape, best, 64).us() * 1.3, productCost(arch, shape, before, 64).us());
  for (const ProductConfig &config : legalProducts(arch, shape))
    EXPECT_TRUE(config.splits == 1 || config.blockTokens() == 64) << describeProduct(arch, shape, config);
  EXPECT_NE(describeProduct(arch, shape, best).find(" blocks along K, "), std::string::npos);
}

TEST(ProductConfigTest, WarpgroupsMultiplyManyTokensOnHopperOnly) {
  forAll(kMatrices, kClasses, [](const Arch &arch, const ProductShape &shape, const ProductConfig &config) {
    if (config.form == ProductForm::Warpgroup) {
      EXPECT_TRUE(arch.wgmma);
      EXPECT_TRUE(shape.mMax == 0 || shape.mMax == 512);
      EXPECT_TRUE(!isQuantized(shape.layout) || shape.layout == Layout::Q4M16K128Asym);
    }
  });
  ProductShape shape{4096, 4096, Layout::BF16M16K16, 0, 1};
  EXPECT_EQ(chooseProduct(*findArch("sm_90a"), shape).form, ProductForm::Warpgroup);
  shape.layout = Layout::E4M3M16K32;
  EXPECT_EQ(chooseProduct(*findArch("sm_90a"), shape).form, ProductForm::Warpgroup);
  // Groups of 128 where there are rows enough for all multiprocessors; whole numbers scaled group by group never.
  shape.layout = Layout::Q4M16K128Asym;
  shape.mMax = 512;
  EXPECT_EQ(chooseProduct(*findArch("sm_90a"), shape).form, ProductForm::Tile);
  EXPECT_EQ(chooseProduct(*findArch("sm_90a"), shape, true).form, ProductForm::Warpgroup);
  shape.mMax = 0, shape.n = 28672;
  EXPECT_EQ(chooseProduct(*findArch("sm_90a"), shape).form, ProductForm::Warpgroup);
  shape.layout = Layout::Q4M16K64Asym;
  EXPECT_EQ(chooseProduct(*findArch("sm_90a"), shape).form, ProductForm::Tile);
  EXPECT_EQ(chooseProduct(*findArch("sm_90a"), shape, true).form, ProductForm::Tile);
  EXPECT_EQ(chooseProduct(*findArch("sm_80"), {28672, 4096, Layout::BF16M16K16, 0, 1}, true).form, ProductForm::Tile);
}

} // namespace
} // namespace llmc
