// The measured bandwidth is a plausible number and each worker reads its share.
#include "runtime/device/bandwidth.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace llmc::rt {
namespace {

TEST(Bandwidth, IsPlausible) {
  for (int threads : {2, 3}) {  // two have equal shares
    auto pool = WorkerPool::create({.threads = threads});
    ASSERT_TRUE(pool);
    auto bandwidth = measureReadBandwidth(**pool, 64u << 20, 2);
    ASSERT_TRUE(bandwidth);
    std::printf("read bandwidth, %d workers, 64 MiB: %.1f GB/s\n", threads, *bandwidth / 1e9);
    EXPECT_GT(*bandwidth, 1e8);
    EXPECT_LT(*bandwidth, 1e13);
  }
}

TEST(Bandwidth, ReportsMemoryThatCannotBeHad) {
  auto pool = WorkerPool::create({.threads = 1});
  ASSERT_TRUE(pool);
  auto bandwidth = measureReadBandwidth(**pool, uint64_t{1} << 60, 1);
  ASSERT_FALSE(bandwidth);
  EXPECT_EQ(bandwidth.status().code(), "RT_MEMORY");
}

}  // namespace
}  // namespace llmc::rt
