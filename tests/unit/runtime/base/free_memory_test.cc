// What a peak has left in the heap goes back, though a block behind it lives on.
#include "runtime/base/free_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <memory>
#include <vector>

namespace llmc::rt {
namespace {

/// MiB, of /proc/self/statm.
double resident() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

TEST(FreeMemory, GoesBackThoughABlockBehindItLivesOn) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
  GTEST_SKIP() << "another allocator";
#else
  constexpr size_t kBlocks = 64 << 10, kBytes = 1 << 10;  // 64 MiB, each block too small for a mapping of its own
  std::vector<std::unique_ptr<std::byte[]> > blocks(kBlocks);
  for (auto& block : blocks) block = std::make_unique<std::byte[]>(kBytes);
  const double peak = resident();
  for (size_t i = 0; i + 1 < kBlocks; ++i) blocks[i].reset();
  ASSERT_GT(resident(), peak - 8) << "the heap keeps it by itself";
  releaseFreeMemory();
  EXPECT_LT(resident(), peak - 56);
#endif
}

}  // namespace
}  // namespace llmc::rt
