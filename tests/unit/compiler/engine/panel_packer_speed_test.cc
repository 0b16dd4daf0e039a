// Pack rate of one thread: printed, and held above a floor far below what is measured so that only real losses fail.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "compiler/engine/PanelPacker.h"
#include "tests/unit/compiler/engine/memory_rows.h"
#include "tests/unit/sanitized.h"

namespace llmc {
namespace {

/// GB of stored input a second.
double rate(StorageType storage, Layout layout) {
  const int64_t cols = 4096;
  test::MemoryTensor tensor = test::randomTensor(storage, 16, cols, 1);
  std::vector<uint8_t> panel(static_cast<size_t>(panelBytes(layout, cols)));
  PanelPacker packer(layout, cols, false);
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 40; ++i) EXPECT_EQ(packer.pack(storage, tensor.bytes.data(), 16, panel.data()), 0u);
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 40.0 * static_cast<double>(tensor.bytes.size()) / seconds.count() / 1e9);
  }
  std::printf("%.*s -> %.*s: %.2f GB/s of input\n", static_cast<int>(storageTypeName(storage).size()),
              storageTypeName(storage).data(), static_cast<int>(layoutName(layout).size()), layoutName(layout).data(),
              best);
  return best;
}

TEST(PackSpeed, OneThread) {
  const double floor = __builtin_cpu_supports("avx2") && !kSanitized ? 0.03 : 0.0;
  EXPECT_GT(rate(StorageType::BF16, Layout::Q4N16K4Asym), floor);
  EXPECT_GT(rate(StorageType::BF16, Layout::Q4N16K4Sym), floor);
  EXPECT_GT(rate(StorageType::BF16, Layout::Q8N16K4), floor);
  EXPECT_GT(rate(StorageType::BF16, Layout::BF16N16K2), floor);
  EXPECT_GT(rate(StorageType::F16, Layout::F16N16), floor);
  EXPECT_GT(rate(StorageType::F32, Layout::F32N16), floor);
  EXPECT_GT(rate(StorageType::Q4_0, Layout::Q4N16K4Sym), floor);
  EXPECT_GT(rate(StorageType::Q4_1, Layout::Q4N16K4Asym), floor);
  EXPECT_GT(rate(StorageType::Q5_0, Layout::Q5N16K4Sym), floor);
  EXPECT_GT(rate(StorageType::Q4_K, Layout::Q4KN16K4), floor);
  EXPECT_GT(rate(StorageType::Q6_K, Layout::Q6KN16K4), floor);
  EXPECT_GT(rate(StorageType::Q8_0, Layout::Q8N16K4), floor);
  EXPECT_GT(rate(StorageType::Q8_0, Layout::Q4N16K4Asym), floor);
  EXPECT_GT(rate(StorageType::BF16, Layout::Q4M16K64Asym), floor);
  EXPECT_GT(rate(StorageType::BF16, Layout::BF16M16K16), floor);
  EXPECT_GT(rate(StorageType::Q4_1, Layout::Q4M16K64Asym), floor);
  EXPECT_GT(rate(StorageType::Q8_0, Layout::Q8M16K32), floor);
}

}  // namespace
}  // namespace llmc
