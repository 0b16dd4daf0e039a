// Products against what the same core does at the same minute: a kernel that becomes three times slower fails, on any
// machine, and a case shows that it would.
#include "tests/bench/kernels/matmul_speed.h"

#include "tests/bench/kernels/ceilings.h"
#include "runtime/device/cpu_features.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cstdio>
#include <memory>

namespace llmc {
namespace {

/// The best level of this machine; null: none.
const Level *hostLevel() {
  const Level *best = nullptr;
  for (const Level &level : cpuLevels())
    if (rt::supportsLevel(level.name.str(), rt::detectCpuFeatures()))
      best = &level;
  return best;
}

struct SpeedCase {
  const char *name;
  Layout layout;
  ActKind act;
  int64_t n, k;
  int rows;
  size_t bytes; ///< of weights that rotate; 0: one set, in a cache
  /// Least share of the ceiling with VNNI and without: between what was measured (1.0, 0.68, 0.76, 0.9; 1.0, 0.62,
  /// 0.35, 0.9) and a third of it.
  double vnniFloor, floor;
};
constexpr SpeedCase kCases[] = {
    {"decode, 4 bits, from memory", Layout::Q4N16K4Asym, ActKind::Int8, 4096, 4096, 1, 128u << 20, 0.42, 0.42},
    {"eight sequences, 4 bits, from memory", Layout::Q4N16K4Sym, ActKind::Int8, 4096, 4096, 8, 128u << 20, 0.3, 0.25},
    {"decode, 4 bits, from a cache", Layout::Q4N16K4Asym, ActKind::Int8, 576, 1536, 1, 0, 0.45, 0.3},
    {"prefill, 4 bits", Layout::Q4N16K4Asym, ActKind::Int8, 576, 1536, 64, 0, 0.36, 0.34},
    {"prefill, 8 bits", Layout::Q8N16K4, ActKind::Int8, 576, 1536, 64, 0, 0.38, 0.2},
    {"prefill, bf16", Layout::BF16N16K2, ActKind::F32, 576, 1536, 64, 0, 0.45, 0.45},
};

class MatmulSpeed : public testing::TestWithParam<SpeedCase> {
protected:
  const SpeedCase &c = GetParam();
  MatmulShape shape_{c.n, c.k, c.layout, c.act, rowClass(c.rows), 1};

  double floor(const Level &level) const { return level.vnni ? c.vnniFloor : c.floor; }
  double ceiling(const Level &level) const {
    if (c.rows == 1)
      return readBandwidth(level, c.bytes ? c.bytes : static_cast<size_t>(packedBytes(c.layout, c.n, c.k))) * 1e9;
    return (c.act == ActKind::Int8 ? dotPeak(level) : fmaPeak(level)) * 1e9;
  }
  /// Bytes a second for one row, operations a second for more, over the ceiling: the best of rounds in which both take
  /// turns, so that what disturbs the machine meets both, and no moment of it counts alone.
  double share(const Level &level, int work) {
    BuiltMatmul kernel(shape_, level, false);
    EXPECT_EQ(kernel.error, "");
    double bytes = static_cast<double>(packedBytes(c.layout, c.n, c.k));
    double amount = c.rows == 1 ? bytes : 2.0 * c.rows * static_cast<double>(c.n * c.k);
    size_t copies = c.bytes == 0 ? 1 : c.bytes / static_cast<size_t>(bytes) + 1;
    double rate = 0, most = 0;
    for (int round = 0; round < 3; ++round) {
      rate = std::max(rate, amount / secondsOfProduct(kernel, shape_, c.rows, copies, work));
      most = std::max(most, ceiling(level));
    }
    return rate / most;
  }
};

TEST_P(MatmulSpeed, IsNearWhatTheCoreCanDo) {
  const Level *level = hostLevel();
  if (!level)
    GTEST_SKIP() << "no level of this machine";
  double share = this->share(*level, 1);
  std::printf("%s at %s: %.2f of the core's limit\n", c.name, level->name.str().c_str(), share);
  EXPECT_GE(share, floor(*level));
}

TEST_P(MatmulSpeed, WouldSeeAKernelThatIsThreeTimesSlower) {
  const Level *level = hostLevel();
  if (!level)
    GTEST_SKIP() << "no level of this machine";
  double share = this->share(*level, 3);
  std::printf("%s at %s, three times as much work: %.2f\n", c.name, level->name.str().c_str(), share);
  EXPECT_LT(share, floor(*level)) << "the check above would pass a kernel that slow";
}

INSTANTIATE_TEST_SUITE_P(Kernels, MatmulSpeed, testing::ValuesIn(kCases), [](const auto &info) {
  std::string name(info.param.name);
  std::erase_if(name, [](char ch) { return !std::isalnum(static_cast<unsigned char>(ch)); });
  return name;
});

} // namespace
} // namespace llmc
