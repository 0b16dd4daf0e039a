// Products in the emulator against the reference: every layout, token count and epilogue, sizes that nothing divides;
// races, bounds, bytes read and bank conflicts as the emulator counts them.
#include "codegen/cuda/matmul/ProductConfig.h"
#include "tests/emulator/kernel_case.h"
#include "tests/unit/codegen/cuda/matmul/product_text.h"
#include <gtest/gtest.h>

namespace llmc {
namespace {

using emu::KernelCase;
using emu::KernelOutcome;

/// Share of |expected| + the row's largest value by which sums of weights rounded to bf16 may differ (2^-9 each).
constexpr double kBf16Values = 3e-3;

/// The class that the runtime takes for M tokens.
int64_t classOf(int64_t tokens) {
  return tokens <= 8 ? 8 : tokens <= 16 ? 16 : tokens <= 32 ? 32 : tokens <= 64 ? 64 : 0;
}

KernelCase productCase(const std::string &module, int64_t tokens) {
  KernelCase test;
  test.text = module;
  test.mMax = classOf(tokens);
  test.sequences = {{0, static_cast<int32_t>(tokens)}};
  test.archs = {"sm_80"};
  return test;
}

class ProductNumericsTest : public ::testing::TestWithParam<std::pair<const char *, Layout>> {};

TEST_P(ProductNumericsTest, EveryTokenCount) {
  for (int64_t tokens : {1, 7, 8, 9, 16, 33, 64, 65, 130}) {
    const bool shortened = isUnpackedMore(GetParam().second);
    if (shortened && tokens != 65)
      continue; // the loops are those of the others: tiles here, streams in LongRows
    SCOPED_TRACE(std::to_string(tokens) + " tokens");
    KernelCase test = productCase(ProductText{50, 100, GetParam().first}.plain(), tokens);
    test.allOrders = tokens % 8 != 0 && !shortened; // the others run once, with all checks
    if (GetParam().second == Layout::E4M3M16K32)
      test.archs = {"sm_80", "sm_89"}; // products of f16, and of e4m3
    emu::checkKernelCase(test);
  }
}

/// Warps with several steps, and steps that end past K; one panel more than blocks of two or four take.
TEST_P(ProductNumericsTest, LongRows) {
  for (auto [tokens, n, k] :
       {std::tuple<int64_t, int64_t, int64_t>{8, 80, 2100}, {13, 80, 1096}, {32, 48, 2112}, {40, 48, 520}}) {
    if (isUnpackedMore(GetParam().second) && tokens != 13)
      continue;
    SCOPED_TRACE(std::to_string(tokens) + " tokens, K = " + std::to_string(k));
    KernelCase test = productCase(ProductText{n, k, GetParam().first}.plain(), tokens);
    test.archs = {"sm_90a", "sm_120a"};
    if (isUnpackedMore(GetParam().second))
      test.archs.pop_back();
    test.allOrders = false;
    emu::checkKernelCase(test);
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, ProductNumericsTest, ::testing::ValuesIn(kProductWeights),
                         [](const auto &info) { return std::string(deviceLayoutName(info.param.second)); });

/// Blocks that share K: every layout, tokens in all classes, more splits than whole steps of them, an odd number of
/// rows. Each launch of the three orders and the checked one finds the counters at zero.
TEST_P(ProductNumericsTest, SplitsOfK) {
  const Layout layout = GetParam().second;
  for (auto [tokens, n, k, splits] : {std::tuple<int64_t, int64_t, int64_t, int64_t>{1, 50, 2112, 2},
                                      {8, 34, 2100, 4},
                                      {13, 48, 2112, 2},
                                      {32, 48, 2112, 2}}) {
    // The loops are those of streams without splits: one case a layout, all of them for two.
    const bool all = layout == Layout::BF16M16K16 || layout == Layout::Q4M16K64Asym;
    if (!all && tokens != (static_cast<int>(layout) % 2 == 0 ? 1 : 13))
      continue;
    SCOPED_TRACE(std::to_string(tokens) + " tokens, K = " + std::to_string(k));
    KernelCase test = productCase(ProductText{n, k, GetParam().first}.plain(), tokens);
    test.archs = {"sm_90a"};
    test.tuned = {{"splits", splits}};
    test.allOrders = tokens == 8;
    test.edit = [](std::string text) {
      EXPECT_NE(text.find("Splits<Product>::join("), std::string::npos) << text;
      return text;
    };
    emu::checkKernelCase(test);
  }
}

struct Epilogue {
  const char *name, *body;
  int64_t columns;
  const char *element;
};
constexpr Epilogue kEpilogues[] = {
    {"BiasAndResidual", "  %0 = llm.linear %x, %w, %bias : (!x, !w, !bias) -> !sums\n  %y = llm.add %other, %0 : !y\n",
     96, "f32"},
    {"InterleavedGluAsBf16",
     "  %0 = llm.linear %x, %w : (!x, !w) -> !sums\n"
     "  %1 = llm.glu %0 {act = #llm.act_fn<silu>, interleave = 16} : (!sums) -> !other\n"
     "  %y = llm.cast %1 : (!other) -> !y\n",
     48, "bf16"},
    {"BiasedGlu",
     "  %0 = llm.linear %x, %w, %bias : (!x, !w, !bias) -> !sums\n"
     "  %y = llm.glu %0 {act = #llm.act_fn<gelu_tanh>, interleave = 16} : (!sums) -> !y\n",
     48, "f32"},
    {"ScaledAndCapped",
     "  %0 = llm.linear %x, %w : (!x, !w) -> !sums\n  %1 = llm.scale %0 {factor = 0.25} : !sums\n"
     "  %y = llm.softcap %1 {cap = 3.0} : !y\n",
     96, "f32"},
};

class ProductEpilogueTest : public ::testing::TestWithParam<Epilogue> {};

TEST_P(ProductEpilogueTest, StreamsAndTiles) {
  const Epilogue &epilogue = GetParam();
  for (int64_t tokens : {5, 70}) {
    SCOPED_TRACE(std::to_string(tokens) + " tokens");
    std::string module = ProductText{96, 160, "i4, 32, asym"}.module(
        epilogue.body, ProductText::activation(epilogue.columns, epilogue.element), epilogue.columns);
    KernelCase test = productCase(module, tokens);
    test.archs = {"sm_80", "sm_120a"};
    emu::checkKernelCase(test);
  }
}

TEST_P(ProductEpilogueTest, AfterSplitsOfK) {
  const Epilogue &epilogue = GetParam();
  KernelCase test =
      productCase(ProductText{96, 576, "i4, 32, asym"}.module(
                      epilogue.body, ProductText::activation(epilogue.columns, epilogue.element), epilogue.columns),
                  5);
  test.archs = {"sm_80"};
  test.tuned = {{"splits", 2}};
  test.allOrders = false;
  emu::checkKernelCase(test);
}

INSTANTIATE_TEST_SUITE_P(Ops, ProductEpilogueTest, ::testing::ValuesIn(kEpilogues),
                         [](const auto &info) { return std::string(info.param.name); });

/// Hopper's own form: all tiles, alone and in clusters, several rounds of the ring, tails of tokens, rows and columns;
/// an odd number of tiles of tokens leaves the last block of a cluster without any.
TEST(ProductWarpgroupTest, ManyTokens) {
  struct Case {
    const char *quant;
    int64_t n, k, tokens, panels, tiles, cluster;
  };
  for (auto [quant, n, k, tokens, panels, tiles, cluster] : {Case{"bf16", 50, 100, 65, 2, 16, 2},
                                                             {"bf16", 144, 460, 130, 1, 16, 1},
                                                             {"bf16", 128, 704, 300, 1, 32, 1},
                                                             {"bf16", 272, 460, 300, 2, 16, 2},
                                                             {"bf16", 144, 460, 130, 1, 16, 2},
                                                             {"f16", 144, 460, 130, 1, 16, 2},
                                                             {"e4m3", 50, 100, 65, 1, 32, 1},
                                                             {"e4m3", 272, 460, 130, 2, 16, 1},
                                                             {"e4m3", 128, 1400, 300, 1, 32, 2},
                                                             {"i4, 128, asym", 50, 100, 65, 2, 16, 2},
                                                             {"i4, 128, asym", 272, 460, 130, 2, 16, 1},
                                                             {"i4, 128, asym", 128, 704, 300, 1, 16, 2}}) {
    SCOPED_TRACE(std::string(quant) + ", " + std::to_string(tokens) + " tokens, clusters of " +
                 std::to_string(cluster));
    KernelCase test = productCase(ProductText{n, k, quant}.plain(), tokens);
    test.archs = {"sm_90a"};
    test.warpgroups = true;
    test.tuned = {{"panels", panels}, {"tiles", tiles}, {"cluster", cluster}};
    test.allOrders = tokens == 65; // the loops are the same, and large
    test.edit = [](std::string text) {
      EXPECT_NE(text.find("WarpgroupProducts<Product>::of("), std::string::npos) << text;
      return text;
    };
    if (std::string_view(quant) == "i4, 128, asym")
      test.tolerance = kBf16Values;
    emu::checkKernelCase(test);
  }
}

/// Epilogues of warpgroups, in parts of 64 rows and tokens: gate and up of one warpgroup, results that nothing divides.
TEST(ProductWarpgroupTest, Epilogues) {
  for (const Epilogue &epilogue : kEpilogues) {
    SCOPED_TRACE(epilogue.name);
    KernelCase test =
        productCase(ProductText{96, 160, "bf16"}.module(
                        epilogue.body, ProductText::activation(epilogue.columns, epilogue.element), epilogue.columns),
                    150);
    test.archs = {"sm_90a"};
    test.warpgroups = true;
    test.tuned = {{"panels", 2}, {"cluster", 2}};
    test.allOrders = false;
    emu::checkKernelCase(test);
  }
}

/// Every weight comes to a cluster once, x to each block.
TEST(ProductWarpgroupTest, AClusterReadsWeightsOnce) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  for (int64_t cluster : {1, 2}) {
    KernelCase test = productCase(ProductText{256, 512, "bf16"}.plain(), 256);
    test.archs = {"sm_90a"};
    test.warpgroups = true;
    test.allOrders = false;
    test.tuned = {{"panels", 2}, {"cluster", cluster}};
    const KernelOutcome outcome = emu::runKernelCase(test)[0];
    ASSERT_TRUE(outcome.status.isOk()) << outcome.status.toString();
    const uint64_t weights = 256 * 512 * 2, x = 256 * 512 * 2;
    EXPECT_EQ(outcome.counters.copiedBytes, x + weights * (cluster == 1 ? 2 : 1));
  }
}

/// Tiles of up to 64 tokens whose K several blocks share: whole and broken numbers of steps, one split without any.
TEST(ProductSplitTileTest, FewRows) {
  for (auto [quant, n, k, tokens, splits] :
       {std::tuple<const char *, int64_t, int64_t, int64_t, int64_t>{"bf16", 50, 520, 40, 2},
        {"i4, 32, asym", 80, 1096, 64, 4},
        {"e4m3", 48, 2112, 33, 8}}) {
    SCOPED_TRACE(std::string(quant) + ", " + std::to_string(tokens) + " tokens");
    KernelCase test = productCase(ProductText{n, k, quant}.plain(), tokens);
    test.archs = {"sm_90a"};
    test.tuned = {{"splits", splits}};
    test.allOrders = tokens == 40;
    test.edit = [](std::string text) {
      EXPECT_NE(text.find("Splits<Product>::join("), std::string::npos) << text;
      return text;
    };
    emu::checkKernelCase(test);
  }
}

/// Logits: rows are the sampled ones, N is odd, so that results are written one by one.
TEST(ProductLogitsTest, SampledRowsOfAnOddWidth) {
  KernelCase test = productCase(ProductText{67, 128, "i8, 32, sym"}.plain("S"), 8);
  test.sequences = {{0, 3}, {21, 1}, {5, 12}, {70, 1}};
  test.sampleAll = true;
  test.mMax = 32;
  emu::checkKernelCase(test);
}

TEST(ProductBudgetTest, EveryWeightByteIsReadOnceAndBanksDoNotConflict) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  for (auto [quant, layout] : kProductWeights)
    for (int64_t tokens : {8, 16, 32}) {
      // Classes differ in the tiles of x alone: all of them for three kinds of superblocks.
      const bool every = layout == Layout::BF16M16K16 || layout == Layout::Q4M16K64Asym || layout == Layout::E4M3M16K32;
      if (!every && tokens != 8)
        continue;
      KernelCase test = productCase(ProductText{128, 1024, quant}.plain(), tokens);
      test.allOrders = false;
      for (const KernelOutcome &outcome : emu::runKernelCase(test)) {
        ASSERT_TRUE(outcome.status.isOk()) << outcome.status.toString();
        ProductShape shape{128, 1024, layout, classOf(tokens), 1};
        ProductConfig config = chooseProduct(*findArch(outcome.arch), shape);
        SCOPED_TRACE(outcome.arch + " " + quant + ": " + describeProduct(*findArch(outcome.arch), shape, config));
        // Codes once; four lanes share each scale; a thread reads one word of the batch. x is copied once a block.
        auto codes = static_cast<uint64_t>(shape.panels() * shape.blocks() * scalesOffset(layout));
        auto scales = static_cast<uint64_t>(shape.weightBytes()) - codes;
        auto blocks = static_cast<uint64_t>(shape.panels() / config.blockPanels());
        uint64_t x = blocks * static_cast<uint64_t>(tokens) * 1024 * (shape.e4m3() ? 1 : 2);
        uint64_t scaleReads =
            outcome.counters.globalReadBytes - codes - x - blocks * static_cast<uint64_t>(config.threads()) * 4;
        if (shape.e4m3()) {
          // Two scales an element in the epilogue; NVRTC keeps a row's in a register where its loop goes over tokens.
          EXPECT_GE(scaleReads, static_cast<uint64_t>(shape.n * tokens) * 4);
          EXPECT_LE(scaleReads, static_cast<uint64_t>(shape.n * tokens) * 8);
        } else {
          EXPECT_EQ(scaleReads, 4 * scales);
        }
        EXPECT_EQ(outcome.counters.blocks, blocks);
        EXPECT_EQ(outcome.counters.copiedBytes, x);
        // Only sums of 16 rows a token may meet in a bank: two tokens of one pass, 16 bytes a lane.
        uint64_t sumLoads =
            blocks * static_cast<uint64_t>(config.kWarps * config.blockPanels() * 16 * config.blockTokens() / 128);
        EXPECT_LE(outcome.counters.sharedWavefronts, outcome.counters.sharedRequests + 4 * sumLoads);
      }
    }
}

/// A kernel that forgets a warp must be found out.
TEST(ProductFaultTest, AMissingWarpIsFound) {
  if (std::string missing = emu::missingNvrtc(); !missing.empty())
    GTEST_SKIP() << missing;
  KernelCase test = productCase(ProductText{64, 96, "bf16"}.plain(), 8);
  test.edit = [](std::string text) {
    size_t at = text.find("stream.finish(");
    EXPECT_NE(at, std::string::npos);
    return text.insert(at, "if (threadIdx.x < 32) return;\n  ");
  };
  for (const KernelOutcome &outcome : emu::runKernelCase(test))
    EXPECT_FALSE(outcome.status.isOk());
}

} // namespace
} // namespace llmc
