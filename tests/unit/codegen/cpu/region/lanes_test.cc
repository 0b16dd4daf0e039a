// Masks, gathers, permutations and conversions of 16 lanes as compiled code, at every level.
#include "codegen/cpu/region/Lanes.h"
#include "tests/unit/codegen/cpu/core/kernel_runner.h"

#include "gtest/gtest.h"
#include <bit>
#include <cmath>
#include <numeric>

namespace llmc {
namespace {

using LaneBody = std::function<mlir::Value(KernelBuilder &)>;

/// 16 floats that `body` computes from the 64 floats 0, 1, ... at args[0]; NaN where this machine lacks the level.
std::vector<float> lanesOf(const Level &level, const LaneBody &body, std::vector<float> x = {}) {
  if (x.empty()) {
    x.resize(64);
    std::iota(x.begin(), x.end(), 0.0f);
  }
  auto kernel = buildModule(level, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "kernel", 2, level);
    k.store(body(k), k.arg(1), mlir::Value());
    k.finish();
    return mlir::success();
  });
  EXPECT_TRUE(kernel);
  std::vector<float> y(16, NAN);
  if (kernel && canRun(level))
    kernel->run({x.data(), y.data()}, 1);
  return y;
}

mlir::Value chunkOf(KernelBuilder &k, int64_t chunk) {
  return k.load(k.vec(16, k.f32()), k.arg(0), mlir::Value(), chunk * 64);
}

TEST(Lanes, PermutationsTakeLanesOfSeveralSources) {
  std::vector<int64_t> reversed(16), evens(16), identity(16);
  std::iota(identity.begin(), identity.end(), 0);
  for (int64_t i = 0; i < 16; ++i)
    reversed[i] = 15 - i, evens[i] = 2 * i;
  for (const Level &level : instructionSets()) {
    for (const auto &index : {reversed, evens, identity}) {
      auto y = lanesOf(level, [&](KernelBuilder &k) { return permute(k, {chunkOf(k, 0), chunkOf(k, 1)}, index); });
      if (canRun(level))
        EXPECT_EQ(y, std::vector<float>(index.begin(), index.end())) << level.name.str();
    }
  }
}

TEST(Lanes, MasksKeepTheFirstAndGathersStride) {
  for (const Level &level : instructionSets()) {
    if (!canRun(level))
      continue;
    for (int64_t count : {1, 7, 15, 16}) {
      auto y = lanesOf(level, [&](KernelBuilder &k) { return keepFirst(k, chunkOf(k, 0), count, chunkOf(k, 1)); });
      for (int64_t i = 0; i < 16; ++i)
        EXPECT_EQ(y[i], float(i < count ? i : 16 + i)) << level.name.str() << " " << count;
    }
    auto y = lanesOf(level, [&](KernelBuilder &k) { return gatherStrided(k, k.f32(), 16, k.arg(0), 12); });
    for (int64_t i = 0; i < 16; ++i)
      EXPECT_EQ(y[i], float(3 * i));
  }
}

TEST(Lanes, Bf16RoundsToNearestEven) {
  const auto bits = [](uint32_t b) { return std::bit_cast<float>(b); };
  // Halves go to the even neighbour, all else to the nearer one; infinity stays.
  std::vector<float> x(16, 1.0f);
  const std::vector<std::pair<uint32_t, uint32_t>> cases = {{0x3f808000, 0x3f800000}, {0x3f818000, 0x3f820000},
                                                            {0x3f808001, 0x3f810000}, {0x3f807fff, 0x3f800000},
                                                            {0xbf818000, 0xbf820000}, {0x7f800000, 0x7f800000}};
  for (size_t i = 0; i < cases.size(); ++i)
    x[i] = bits(cases[i].first);
  for (const Level &level : instructionSets()) {
    auto y = lanesOf(level, [&](KernelBuilder &k) { return extBF16(k, truncBF16(k, chunkOf(k, 0))); }, x);
    for (size_t i = 0; i < cases.size() && canRun(level); ++i)
      EXPECT_EQ(y[i], bits(cases[i].second)) << level.name.str() << " " << i;
  }
}

} // namespace
} // namespace llmc
