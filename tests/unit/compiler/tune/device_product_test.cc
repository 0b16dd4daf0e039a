// Kernels of products alone, for every layout; memory that fits the device; launches with a copy of the weights each.
#include "compiler/tune/DeviceProduct.h"

#include "tests/unit/runtime/device/cuda/scripted_driver.h"
#include "gtest/gtest.h"
#include <set>

namespace llmc {
namespace {

using rt::test::ScriptedDriver;

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
    auto product = compileProduct(**nvrtc, arch, shape, config);
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
  auto product = compileProduct(**nvrtc, arch, odd, chooseProduct(arch, odd));
  ASSERT_FALSE(product);
  EXPECT_EQ(product.status().code(), "TUNE_COMPILE");
  EXPECT_NE(product.status().message().find("no kernel of 40 x 512: "), std::string::npos)
      << product.status().message();
}

/// A context on the scripted driver.
class DeviceProductRuns : public testing::Test {
protected:
  void SetUp() override {
    driver_ = rt::cuda::Driver::open(ScriptedDriver::path()).take();
    context_ = rt::cuda::Context::open(*driver_, 0).take();
    stream_ = rt::cuda::Stream::create(*context_).take();
  }
  ScriptedDriver scripted_;
  std::unique_ptr<rt::cuda::Driver> driver_;
  std::unique_ptr<rt::cuda::Context> context_;
  std::unique_ptr<rt::cuda::Stream> stream_;
  const ProductShape shape_{64, 512, Layout::E4M3M16K32, 16, 1};
};

TEST_F(DeviceProductRuns, MemoryIsAShareOfWhatIsFree) {
  auto memory = DeviceProductMemory::make(*stream_, shape_);
  ASSERT_TRUE(memory) << memory.status().toString();
  EXPECT_EQ((*memory)->rows, 16);
  EXPECT_GE((*memory)->weightBytes, static_cast<uint64_t>(packedBytes(shape_.layout, 64, 512)));
  EXPECT_EQ((*memory)->sweep.size(), uint64_t{256} << 20);
  EXPECT_EQ((*memory)->copies, (uint64_t{256} << 20) / (*memory)->weightBytes);
  memory->reset();
  scripted_.script().freeBytes = 1 << 20;
  memory = DeviceProductMemory::make(*stream_, shape_);
  ASSERT_TRUE(memory) << memory.status().toString();
  EXPECT_EQ((*memory)->sweep.size(), uint64_t{256} << 10);
  memory->reset();
  scripted_.script().freeBytes = 100 << 10;
  memory = DeviceProductMemory::make(*stream_, shape_);
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.status().code(), "CU_MEMORY");
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
  });
  auto product = compileProduct(**nvrtc, arch, shape_, chooseProduct(arch, shape_));
  ASSERT_TRUE(product) << product.status().toString();
  auto memory = DeviceProductMemory::make(*stream_, shape_);
  ASSERT_TRUE(memory);
  auto run = DeviceProductRun::load(*stream_, *product, shape_, **memory);
  ASSERT_TRUE(run) << run.status().toString();
  for (const size_t calls : {3, 5}) {
    weights.clear();
    auto seconds = (*run)->seconds(**memory, calls);
    ASSERT_TRUE(seconds) << seconds.status().toString();
    EXPECT_GE(*seconds, 0);
    ASSERT_EQ(weights.size(), calls);
    for (size_t i = 1; i < calls; ++i)
      EXPECT_EQ(weights[i] - weights[i - 1], (*memory)->weightBytes);
  }
  EXPECT_EQ(others.size(), 3u);
}

} // namespace
} // namespace llmc
