// Products of every layout run on the workers, with memory of their own for each configuration.
#include "compiler/tune/ProductRun.h"

#include "runtime/device/cpu_features.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cstdio>
#include <sys/resource.h>

namespace llmc {
namespace {

TEST(ProductRun, RunsEveryKindOfProductAndTakesLongerForMore) {
  auto pool = rt::WorkerPool::create({.threads = 2});
  ASSERT_TRUE(pool);
  for (const Level &level : cpuLevels()) {
    if (!rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()))
      continue;
    for (Layout layout : {Layout::Q4N16K4Asym, Layout::Q8N16K4, Layout::Q6KN16K4, Layout::BF16N16K2, Layout::F32N16}) {
      MatmulShape shape{200, 576, layout, isQuantized(layout) ? ActKind::Int8 : ActKind::F32, 4, 1};
      auto memory = ProductMemory::make(shape);
      ASSERT_TRUE(memory) << memory.status().toString();
      EXPECT_EQ((*memory)->rows, 4);
      EXPECT_GE((*memory)->copies * (*memory)->weightBytes, size_t{60} << 20);
      auto run = ProductRun::compile(level, shape, {{"prefetch_bytes", 0}}, (*pool)->workers());
      ASSERT_TRUE(run) << run.status().toString();
      auto seconds = (*run)->seconds(**pool, **memory, 20);
      ASSERT_TRUE(seconds);
      EXPECT_GT(*seconds, 1e-7); // 0.46 million multiplications
      EXPECT_LT(*seconds, 1);
      // A product writes what it should: no sum of random numbers is 0.
      EXPECT_NE(*reinterpret_cast<const float *>((*memory)->out.data() + size_t{4} * 100), 0);
    }
  }
}

/// Of two that take turns the second must not find in a cache what the first has read: it would look four times as
/// fast.
TEST(ProductRun, BothOfAComparisonReadFromMemory) {
  const Level &level = *findLevel("x86-64-v3");
  if (!rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()))
    GTEST_SKIP() << "no x86-64-v3";
  MatmulShape shape{960, 576, Layout::Q4N16K4Asym, ActKind::Int8, 1, 1};
  auto pool = rt::WorkerPool::create({.threads = 1});
  auto memory = ProductMemory::make(shape);
  ASSERT_TRUE(pool && memory);
  const uint8_t *first = (*memory)->nextWeights();
  std::vector<double> seconds[2];
  std::unique_ptr<ProductRun> runs[2];
  for (auto &run : runs) {
    auto made = ProductRun::compile(level, shape, {{"prefetch_bytes", 0}}, 1);
    ASSERT_TRUE(made);
    run = made.take();
  }
  constexpr size_t kCalls = 10; // 3 MB: what the second would read is in L3, if not in L2
  for (int round = 0; round < 15; ++round)
    for (int side : {0, 1}) {
      auto once = runs[side]->seconds(**pool, **memory, kCalls);
      ASSERT_TRUE(once);
      seconds[side].push_back(*once);
    }
  const size_t read = 1 + 15 * 2 * kCalls;
  EXPECT_EQ((*memory)->nextWeights(), first + read % (*memory)->copies * (*memory)->weightBytes);
  for (auto &times : seconds)
    std::sort(times.begin(), times.end());
  std::printf("the same product in turns: %.2f and %.2f us\n", seconds[0][7] * 1e6, seconds[1][7] * 1e6);
  EXPECT_GT(seconds[1][7], 0.7 * seconds[0][7]);
}

TEST(ProductRun, SaysWhyThereIsNoCode) {
  MatmulShape shape{96, 576, Layout::BF16N16K2, ActKind::F32, 4, 1};
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max}; // the linker's memory files cannot be opened
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto run = ProductRun::compile(*findLevel("x86-64-v3"), shape, {}, 1);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.status().code(), "TUNE_COMPILE");
  EXPECT_EQ(rt::exitStatus(run.status().kind()), 70);
  EXPECT_NE(run.status().message().find("cannot make a memory file"), std::string::npos) << run.status().toString();
}

TEST(ProductRun, TheNumbersChangeTheCode) {
  const Level &level = *findLevel("x86-64-v3");
  if (!rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()))
    GTEST_SKIP() << "no x86-64-v3";
  MatmulShape shape{96, 576, Layout::BF16N16K2, ActKind::F32, 0, 1};
  auto pool = rt::WorkerPool::create({.threads = 1});
  auto memory = ProductMemory::make(shape);
  ASSERT_TRUE(pool && memory);
  double seconds[2] = {1, 1};
  for (int round = 0; round < 5; ++round)
    for (int slow : {0, 1}) {
      auto run = ProductRun::compile(level, shape,
                                     slow ? std::vector<TunedNumber>{{"tile_rows", 1}} : std::vector<TunedNumber>{}, 1);
      ASSERT_TRUE(run);
      auto once = (*run)->seconds(**pool, **memory, 3);
      ASSERT_TRUE(once);
      seconds[slow] = std::min(seconds[slow], *once);
    }
  // One row a tile reads and widens each weight for every row: three times the work on a Zen 4.
  EXPECT_GT(seconds[1], 1.2 * seconds[0]);
}

} // namespace
} // namespace llmc
