// Text of products and what NVRTC makes of it: launch, access widths, spills, on every architecture.
#include "codegen/cuda/matmul/ProductTuning.h"
#include "tests/unit/codegen/cuda/matmul/product_text.h"
#include "tests/unit/codegen/cuda/nvrtc_fixture.h"

namespace llmc {
namespace {

mlir::FailureOr<KernelText> emit(ModuleText &text, int64_t mMax, llvm::StringRef arch = "sm_90a") {
  if (!text.module())
    return mlir::failure();
  return emitCudaKernel(CudaRequest{text.first(), "product", *findArch(arch), mMax});
}

size_t countOf(const std::string &text, const std::string &part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

TEST(MatmulEmitterTest, LaunchOfAStream) {
  ModuleText text(ProductText{4096, 4096, "i4, 32, sym"}.plain());
  auto kernel = emit(text, 8);
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  ProductShape shape{4096, 4096, Layout::Q4M16K64Sym, 8, 1};
  ProductConfig config = chooseProduct(*findArch("sm_90a"), shape);
  EXPECT_EQ(kernel->threads, config.threads());
  EXPECT_EQ(kernel->sharedBytes, productSharedBytes(shape, config));
  EXPECT_EQ(kernel->grid[0], GridDim::fixed(256 / config.panels));
  EXPECT_EQ(kernel->grid[1], GridDim{});
  EXPECT_EQ(kernel->words, 6);
  EXPECT_EQ(kernel->config, describeProduct(*findArch("sm_90a"), shape, config));
  EXPECT_NE(kernel->text.find("using Layout = Q4M16K64;"), std::string::npos);
  // Weights are on their way before the kernel before has ended; nothing else is touched.
  size_t begin = kernel->text.find("stream.begin(shared, w1, firstPanel);");
  size_t wait = kernel->text.find("waitForPrevious();"), rows = kernel->text.find("batch2->tokens");
  EXPECT_LT(begin, wait) << kernel->text;
  EXPECT_LT(wait, rows) << kernel->text;
  EXPECT_NE(kernel->text.find("stream.finish(shared, x0, rows);"), std::string::npos) << kernel->text;
  EXPECT_TRUE(kernel->waits);
}

TEST(MatmulEmitterTest, BlocksThatShareKMeetInTheModulesMemory) {
  ModuleText text(ProductText{64, 16384, "bf16"}.plain());
  auto kernel = emit(text, 8);
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  ProductConfig config = chooseProduct(*findArch("sm_90a"), {64, 16384, Layout::BF16M16K16, 8, 1});
  ASSERT_GT(config.splits, 1);
  EXPECT_EQ(kernel->grid[1], GridDim::fixed(config.splits));
  EXPECT_NE(kernel->text.find("kSplits = " + std::to_string(config.splits)), std::string::npos) << kernel->text;
  // Only after the wait: the kernel before may be the same one, in another layer.
  size_t wait = kernel->text.find("waitForPrevious();"), join = kernel->text.find("join(shared, parts, arrived, rows)");
  EXPECT_LT(wait, join) << kernel->text;
  EXPECT_NE(join, std::string::npos) << kernel->text;
  ModuleText wide(ProductText{4096, 4096, "bf16"}.plain());
  kernel = emit(wide, 8);
  ASSERT_TRUE(succeeded(kernel)) << wide.diagnostics();
  EXPECT_EQ(kernel->text.find("parts"), std::string::npos) << kernel->text;
}

/// What kern-select-config leaves in the function is taken for its architecture and class alone; what is asked for in
/// the request comes first; what is not legal is told.
TEST(MatmulEmitterTest, NumbersOfADatabase) {
  std::string module = ProductText{4096, 4096, "bf16"}.plain();
  const std::string hero = "hero = \"linear\"";
  module.insert(
      module.find(hero) + hero.size(),
      ", config = [#kern.config<m_max = 8, params = {sm_90a = {k_warps = 6 : i64}}>, #kern.config<m_max = 0>]");
  ModuleText text(module);
  ASSERT_TRUE(text.module()) << text.diagnostics();
  auto warps = [&](llvm::StringRef arch, int64_t mMax, std::vector<TunedNumber> asked = {}) {
    auto kernel = emitCudaKernel(CudaRequest{text.first(), "product", *findArch(arch), mMax, false, asked});
    EXPECT_TRUE(succeeded(kernel)) << text.diagnostics();
    return kernel->threads / 32;
  };
  ProductShape shape{4096, 4096, Layout::BF16M16K16, 8, 1};
  EXPECT_EQ(warps("sm_90a", 8), 6);
  EXPECT_EQ(warps("sm_90a", 8, {{"k_warps", 4}}), 4);
  EXPECT_EQ(warps("sm_80", 8), chooseProduct(*findArch("sm_80"), shape).kWarps);
  EXPECT_NE(chooseProduct(*findArch("sm_90a"), shape).kWarps, 6) << "or this test shows nothing";
  std::vector<TunedNumber> odd = {{"k_warps", 5}};
  EXPECT_TRUE(failed(emitCudaKernel(CudaRequest{text.first(), "product", *findArch("sm_90a"), 8, false, odd})));
  EXPECT_NE(text.diagnostics().find("has no code on CUDA with the numbers asked for: k_warps 5: expected 4, 6"),
            std::string::npos)
      << text.diagnostics();
}

TEST(MatmulEmitterTest, LaunchOfATileFollowsTheTokens) {
  ModuleText tokens(ProductText{4096, 4096, "bf16"}.plain());
  auto kernel = emit(tokens, 0, "sm_80");
  ASSERT_TRUE(succeeded(kernel)) << tokens.diagnostics();
  ProductConfig config = chooseProduct(*findArch("sm_80"), {4096, 4096, Layout::BF16M16K16, 0, 1});
  EXPECT_EQ(kernel->grid[0], (GridDim{0, config.blockTokens(), 1, 0, 0, 0}));
  EXPECT_EQ(kernel->grid[1], GridDim::fixed(256 / config.blockPanels()));
  EXPECT_NE(kernel->text.find("batch2->tokens"), std::string::npos);
  ModuleText sampled(ProductText{4096, 4096, "bf16"}.plain("S"));
  kernel = emit(sampled, 0, "sm_80");
  ASSERT_TRUE(succeeded(kernel)) << sampled.diagnostics();
  EXPECT_EQ(kernel->grid[0], (GridDim{0, 0, 0, config.blockTokens(), 1, 0}));
  EXPECT_NE(kernel->text.find("batch2->rows"), std::string::npos);
}

TEST(MatmulEmitterTest, EpiloguesAreTheRegionsOps) {
  ModuleText text(ProductText{64, 96, "bf16"}.module(
      "  %0 = llm.linear %x, %w, %bias : (!x, !w, !bias) -> !sums\n  %y = llm.add %0, %other : !y\n",
      ProductText::activation(64)));
  auto kernel = emit(text, 8);
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_NE(kernel->text.find("reinterpret_cast<const float *>(w4)[col"), std::string::npos) << kernel->text;
  EXPECT_NE(kernel->text.find("load<F32, 4>(x3"), std::string::npos) << kernel->text;
}

TEST(MatmulEmitterTest, ANormAfterAProductIsRefused) {
  const std::string refusal = refusalOf(
      ProductText{64, 96, "bf16"}.module("  %0 = llm.linear %x, %w : (!x, !w) -> !sums\n"
                                         "  %y = llm.rmsnorm %0, %bias {eps = 1.0e-5} : (!sums, !bias) -> !y\n",
                                         ProductText::activation(64)));
  EXPECT_NE(refusal.find("needs whole rows"), std::string::npos) << refusal;
}

/// sm_89 and later multiply e4m3, sm_80 and sm_86 f16 made of it; scales come last.
TEST(MatmulEmitterTest, E4M3IsScaledInTheEpilogue) {
  ModuleText text(ProductText{64, 96, "e4m3"}.plain());
  auto kernel = emit(text, 8);
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_NE(kernel->text.find("static constexpr int kK = 48;"), std::string::npos) << kernel->text; // pairs
  EXPECT_NE(kernel->text.find("stream.begin(shared, w1 + 64, firstPanel);"), std::string::npos) << kernel->text;
  EXPECT_NE(kernel->text.find("scaledSum<Product, 96>("), std::string::npos) << kernel->text;
}

class MatmulCompileTest : public NvrtcFixture {};

/// Every layout and class, with sizes that leave tails and sizes that do not: compile() fails where a thread spills.
TEST_F(MatmulCompileTest, NothingSpillsOnAnyArchitecture) {
  for (const Arch &arch : cudaArchs())
    for (auto [quant, layout] : kProductWeights)
      for (int64_t mMax : {8, 16, 32, 64, 0}) {
        // One size an architecture and class: all of them in turn, to keep the test short.
        constexpr std::pair<int64_t, int64_t> kSizes[] = {
            {4096, 4096}, {50, 100}, {28672, 4096}, {4096, 14336}, {960, 576}};
        const auto turn = static_cast<size_t>(mMax / 8 + arch.minor + arch.major + static_cast<int>(layout));
        auto [n, k] = kSizes[turn % 5];
        if (isUnpackedMore(layout) && turn % 5 != static_cast<size_t>(arch.major) % 5)
          continue; // one class an architecture
        ModuleText text(ProductText{n, k, quant}.plain());
        auto kernel = emit(text, mMax, arch.name);
        ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
        auto compiled = compiler().compile(*kernel, arch);
        SCOPED_TRACE(arch.name.str() + " " + quant + " " + std::to_string(n) + " x " + std::to_string(k) + ": " +
                     kernel->config);
        ASSERT_TRUE(compiled) << compiled.status().toString();
        EXPECT_EQ(compiled->spillBytes, 0);
        EXPECT_EQ(compiled->parameterBytes, 48);
        EXPECT_LE(compiled->registers * kernel->threads, 65536);
      }
}

TEST_F(MatmulCompileTest, E4M3MeetsTheProductsOfTheArchitecture) {
  for (auto [arch, mMax, instruction] :
       {std::tuple("sm_80", int64_t{8}, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"),
        {"sm_89", int64_t{8}, "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32"},
        {"sm_90a", int64_t{0}, "wgmma.mma_async.sync.aligned.m64n128k32.f32.e4m3.e4m3"}}) {
    ModuleText text(ProductText{4096, 4096, "e4m3"}.plain());
    auto kernel = emit(text, mMax, arch);
    ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
    auto compiled = compiler().compile(*kernel, *findArch(arch));
    ASSERT_TRUE(compiled) << compiled.status().toString();
    EXPECT_GT(countOf(compiled->ptx, instruction), 0u) << arch;
    EXPECT_EQ(countOf(compiled->ptx, "bf16.bf16"), 0u) << arch;
  }
}

TEST_F(MatmulCompileTest, WarpgroupsRunOnTheirOwn) {
  ModuleText text(ProductText{4096, 4096, "bf16"}.plain());
  auto kernel = emit(text, 0);
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  EXPECT_NE(kernel->text.find("WarpgroupProducts<Product>::of(ring)"), std::string::npos) << kernel->text;
  ProductShape shape{4096, 4096, Layout::BF16M16K16, 0, 1};
  ProductConfig config = chooseProduct(*findArch("sm_90a"), shape);
  EXPECT_EQ(kernel->threads, 384);
  ASSERT_EQ(config.cluster, 2);
  EXPECT_EQ(kernel->cluster, 2);
  EXPECT_NE(kernel->text.find("__cluster_dims__(2, 1, 1) product("), std::string::npos) << kernel->text;
  EXPECT_NE(describeLaunch(*kernel).find("at most 1 a multiprocessor, clusters of 2, "), std::string::npos);
  // Whole clusters for every number of tokens: 256 of them a cluster, 256 rows a block.
  EXPECT_EQ(kernel->grid[0], (GridDim{0, 256, 32, 0, 0, 0}));
  EXPECT_EQ(kernel->grid[1], GridDim{});
  EXPECT_EQ(kernel->blocksPerSm, 1);
  auto compiled = compiler().compile(*kernel, *findArch("sm_90a"));
  ASSERT_TRUE(compiled) << compiled.status().toString();
  // Four steps of 16 columns for each 128 tokens, the loop's body twice.
  EXPECT_EQ(countOf(compiled->ptx, "wgmma.mma_async.sync.aligned.m64n128k16"),
            static_cast<size_t>(8 * config.blockTokens() / 128));
  EXPECT_EQ(countOf(compiled->ptx, "\tmma.sync.aligned"), 0u);
  // Weights come by the copy engine; multiplying warpgroups neither copy nor meet the one that does.
  EXPECT_EQ(countOf(compiled->ptx, "cp.async.bulk.shared::cluster.global"), 1u);
  EXPECT_EQ(countOf(compiled->ptx, "multicast::cluster"), 1u);
  EXPECT_EQ(compiled->cluster, 2);
  EXPECT_EQ(countOf(compiled->ptx, "setmaxnreg"), 2u);
  size_t products = compiled->ptx.find("setmaxnreg.inc");
  ASSERT_NE(products, std::string::npos);
  EXPECT_EQ(compiled->ptx.find("cp.async", products), std::string::npos);
}

/// Every layout in every tile that has registers for it, with sizes that leave tails and sizes that do not: nothing
/// spills, products overlap (CU_SLOW).
TEST_F(MatmulCompileTest, WarpgroupsShareOutTheirRegisters) {
  constexpr std::pair<int64_t, int64_t> kSizes[] = {{4096, 4096}, {50, 100}, {28672, 4096}, {4096, 1096}};
  size_t turn = 0, clusters = 0;
  for (auto [quant, layout] : kProductWeights)
    for (const ProductConfig &config :
         legalProducts(*findArch("sm_90a"), {4096, 4096, layout, 0, 1}, /*warpgroups=*/true)) {
      if (config.form != ProductForm::Warpgroup)
        continue;
      auto [n, k] = kSizes[turn++ % 4];
      ModuleText text(ProductText{n, k, quant}.plain());
      ASSERT_TRUE(text.module()) << text.diagnostics();
      const std::vector<TunedNumber> numbers = productNumbers(config);
      auto kernel = emitCudaKernel(CudaRequest{text.first(), "product", *findArch("sm_90a"), 0, true, numbers});
      ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
      auto compiled = compiler().compile(*kernel, *findArch("sm_90a"));
      EXPECT_TRUE(compiled) << quant << " " << n << " x " << k << ", " << kernel->config << ": "
                            << compiled.status().toString();
      EXPECT_EQ(kernel->dealtRegisters, 128 * 56 + 256 * 224);
      clusters += kernel->cluster == 2;
    }
  EXPECT_GE(clusters, 8u);
}

/// The launch's clusters are the cubin's.
TEST_F(MatmulCompileTest, OtherClustersThanTheLaunchsAreAnError) {
  ModuleText text(ProductText{4096, 4096, "bf16"}.plain());
  auto kernel = emit(text, 0);
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  kernel->cluster = 1;
  auto compiled = compiler().compile(*kernel, *findArch("sm_90a"));
  ASSERT_FALSE(compiled);
  EXPECT_EQ(std::string(compiled.status().code()), "CU_CLUSTER");
  EXPECT_NE(compiled.status().message().find("expected clusters of 1 blocks, found 2 in the cubin"), std::string::npos)
      << compiled.status().toString();
}

/// A block that deals out more registers than it was launched with waits for them for ever.
TEST_F(MatmulCompileTest, MoreRegistersThanABlockHasAreAnError) {
  ModuleText text(ProductText{4096, 4096, "bf16"}.plain());
  auto kernel = emit(text, 0);
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  kernel->dealtRegisters += 384 * 8;
  auto compiled = compiler().compile(*kernel, *findArch("sm_90a"));
  ASSERT_FALSE(compiled);
  EXPECT_EQ(std::string(compiled.status().code()), "CU_REGISTERS");
  EXPECT_NE(compiled.status().message().find("deal out 67584 registers, a block has 64512 (168 a thread)"),
            std::string::npos)
      << compiled.status().toString();
}

/// One class and layout an architecture.
TEST_F(MatmulCompileTest, SplitsDoNotSpill) {
  size_t turn = 0;
  for (const Arch &arch : cudaArchs()) {
    const auto [quant, layout] = kProductWeights[turn * 2 % std::size(kProductWeights)];
    const int64_t mMax = turn++ % 2 == 0 ? 8 : 32;
    ModuleText text(ProductText{48, 16384, quant}.plain());
    ASSERT_TRUE(text.module()) << text.diagnostics();
    const std::vector<TunedNumber> split = {{"splits", 4}};
    auto kernel = emitCudaKernel(CudaRequest{text.first(), "product", arch, mMax, false, split});
    ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
    EXPECT_NE(kernel->text.find("join("), std::string::npos) << arch.name.str() << " " << quant;
    auto compiled = compiler().compile(*kernel, arch);
    EXPECT_TRUE(compiled) << arch.name.str() << " " << quant << ": " << compiled.status().toString();
  }
}

/// Without bounds on the launch ptxas ignores how registers are shared out.
TEST_F(MatmulCompileTest, WhatTheAssemblerGivesUpIsAnError) {
  ModuleText text(ProductText{4096, 4096, "bf16"}.plain());
  auto kernel = emit(text, 0);
  ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
  const std::string bounds = "__launch_bounds__(384, 1)";
  size_t at = kernel->text.find(bounds);
  ASSERT_NE(at, std::string::npos) << kernel->text;
  kernel->text.erase(at, bounds.size());
  auto compiled = compiler().compile(*kernel, *findArch("sm_90a"));
  ASSERT_FALSE(compiled);
  EXPECT_EQ(std::string(compiled.status().code()), "CU_SLOW");
  EXPECT_NE(compiled.status().message().find("setmaxnreg"), std::string::npos) << compiled.status().toString();
}

/// Codes come in 16-byte loads, as many in the text as registers are filled at the start and in the loop, bits above
/// nibbles in one of 4 to 16; scales of a superblock in one load, what they are multiplied with in another; x never
/// through registers.
TEST_F(MatmulCompileTest, WeightsStreamInWideLoads) {
  for (auto [quant, layout] : kProductWeights) {
    ModuleText text(ProductText{4096, 4096, quant}.plain());
    auto kernel = emit(text, 8);
    ASSERT_TRUE(succeeded(kernel)) << text.diagnostics();
    auto compiled = compiler().compile(*kernel, *findArch("sm_90a"));
    ASSERT_TRUE(compiled) << compiled.status().toString();
    ProductShape shape{4096, 4096, layout, 8, 1};
    ProductConfig config = chooseProduct(*findArch("sm_90a"), shape);
    const std::string &ptx = compiled->ptx;
    SCOPED_TRACE(kernel->config);
    auto held = static_cast<size_t>(config.panels * config.held);
    auto codes = static_cast<size_t>(scalesOffset(layout) / kFragmentBytes);
    const auto upper = static_cast<size_t>(scalesOffset(layout) % kFragmentBytes != 0);
    const size_t scales = quantFormat(layout).byteScales ? 2 : isQuantized(layout) ? 1 : 0;
    EXPECT_EQ(countOf(ptx, "ld.global.nc.L1::no_allocate.v4.u32"), 2 * held * codes);
    EXPECT_EQ(countOf(ptx, "ld.global.nc."), 2 * held * (codes + upper + scales));
    EXPECT_EQ(countOf(ptx, "ld.local"), 0u);
    EXPECT_GT(countOf(ptx, "cp.async.cg.shared.global"), 0u);
  }
}

} // namespace
} // namespace llmc
