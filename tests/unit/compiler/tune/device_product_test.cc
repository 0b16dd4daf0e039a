// Kernels of products alone, for every layout; memory that fits the device; launches with a copy of the weights each.
// Tests: DeviceRun.cpp, DeviceTask.cpp.
#include "compiler/tune/DeviceProduct.h"

#include "codegen/cuda/matmul/ProductTuning.h"
#include "compiler/tune/DeviceRun.h"
#include "tests/unit/compiler/tune/scripted_context.h"
#include "gtest/gtest.h"
#include <set>

namespace llmc {
namespace {

constexpr Layout kFragments[] = {Layout::BF16M16K16,   Layout::F16M16K16,     Layout::Q8M16K32,   Layout::Q4M16K64Sym,
                                 Layout::Q4M16K64Asym, Layout::Q4M16K128Asym, Layout::E4M3M16K32, Layout::Q5M16K64Sym,
                                 Layout::Q5M16K64Asym, Layout::Q4KM16K128,    Layout::Q5KM16K128, Layout::Q6KM16K128};

TEST(DeviceProduct, EveryLayoutHasAKernelOfItsOwn) {
  auto nvrtc = Nvrtc::load();
  if (!nvrtc)
    GTEST_SKIP() << nvrtc.status().toString();
  const Arch &arch = *findArch("sm_90a");
  for (const Layout layout : kFragments) {
    const ProductShape shape{64, 512, layout, 8, layout == Layout::Q4M16K64Asym ? 2 : 1};
    const ProductConfig config = chooseProduct(arch, shape);
    auto product = compileCandidate(**nvrtc, arch, DeviceProduct(shape), productNumbers(config));
    ASSERT_TRUE(product) << product.status().toString();
    EXPECT_EQ(product->text.words, 4);
    EXPECT_EQ(product->text.threads, config.threads());
    const std::string_view name = deviceLayoutName(layout);
    EXPECT_NE(product->text.text.find("using Layout = " + std::string(name) + ";"), std::string::npos);
    EXPECT_EQ(product->text.text.find("silu") != std::string::npos, shape.unitPanels == 2);
    EXPECT_FALSE(product->code.cubin.empty());
  }
}

TEST(DeviceProduct, WhatHasNoKernelIsTold) {
  auto nvrtc = Nvrtc::load();
  if (!nvrtc)
    GTEST_SKIP() << nvrtc.status().toString();
  const Arch &arch = *findArch("sm_90a");
  const ProductShape odd{40, 512, Layout::BF16M16K16, 8, 2}; // gate and up of 16 rows each
  auto product = compileCandidate(**nvrtc, arch, DeviceProduct(odd), productNumbers(chooseProduct(arch, odd)));
  ASSERT_FALSE(product);
  EXPECT_EQ(product.status().code(), "TUNE_COMPILE");
  EXPECT_NE(product.status().message().find("no kernel of linear 40x512,bf16m16k16,2: "), std::string::npos)
      << product.status().message();
}

class DeviceProductRuns : public ScriptedContext {
protected:
  const ProductShape shape_{64, 512, Layout::E4M3M16K32, 16, 1};
};

TEST_F(DeviceProductRuns, MemoryIsAShareOfWhatIsFree) {
  const DeviceProduct product(shape_);
  auto works = product.works(*stream_);
  ASSERT_TRUE(works) << works.status().toString();
  ASSERT_EQ(works->works.size(), 1u);
  EXPECT_EQ(works->works[0].tokens, 16);
  EXPECT_EQ(works->what, "16 tokens");
  EXPECT_EQ(works->sweepBytes, uint64_t{256} << 20);
  const uint64_t weightBytes = works->works[0].words(1)[1] - works->works[0].words(0)[1];
  EXPECT_GE(weightBytes, static_cast<uint64_t>(packedBytes(shape_.layout, 64, 512)));
  EXPECT_EQ(works->works[0].copies, (uint64_t{256} << 20) / weightBytes);
  *works = {};
  scripted_.script().freeBytes = 1 << 20;
  works = product.works(*stream_);
  ASSERT_TRUE(works) << works.status().toString();
  EXPECT_EQ(works->sweepBytes, uint64_t{256} << 10);
  *works = {};
  scripted_.script().freeBytes = 100 << 10;
  works = product.works(*stream_);
  ASSERT_FALSE(works);
  EXPECT_EQ(works.status().code(), "CU_MEMORY");
}

TEST_F(DeviceProductRuns, EachLaunchHasWeightsOfItsOwn) {
  auto nvrtc = Nvrtc::load();
  if (!nvrtc)
    GTEST_SKIP() << nvrtc.status().toString();
  const Arch &arch = *findArch("sm_90a");
  std::vector<uint64_t> weights;
  std::set<uint64_t> others;
  scripted_.addKernel("product", 4, [&](const uint64_t *words, const uint32_t *grid) {
    EXPECT_EQ(grid[0], static_cast<uint32_t>(64 / 16));
    weights.push_back(words[1]);
    others.insert({words[0], words[2], words[3]});
    reinterpret_cast<float *>(words[3])[0] = 1.5f;
  });
  const DeviceProduct task(shape_);
  auto product = compileCandidate(**nvrtc, arch, task, productNumbers(chooseProduct(arch, shape_)));
  ASSERT_TRUE(product) << product.status().toString();
  auto works = task.works(*stream_);
  ASSERT_TRUE(works);
  auto run = DeviceRun::load(*stream_, *product);
  ASSERT_TRUE(run) << run.status().toString();
  for (const size_t calls : {3, 5}) {
    weights.clear();
    auto seconds = (*run)->seconds(*works, 0, calls);
    ASSERT_TRUE(seconds) << seconds.status().toString();
    EXPECT_GE(*seconds, 0);
    ASSERT_EQ(weights.size(), calls);
    for (size_t i = 1; i < calls; ++i)
      EXPECT_EQ(weights[i] - weights[i - 1], works->works[0].words(1)[1] - works->works[0].words(0)[1]);
  }
  EXPECT_EQ(others.size(), 3u);
  auto values = (*run)->values(works->works[0]);
  ASSERT_TRUE(values);
  ASSERT_EQ(values->size(), 16u * 64);
  EXPECT_EQ((*values)[0], 1.5f);
  EXPECT_EQ((*values)[1], 0);
}

} // namespace
} // namespace llmc
