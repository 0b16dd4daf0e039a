// Physical memory is there before it is used, as far as promised, and what is in it stays.
#include "runtime/kv/memory_ahead.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "runtime/device/memory.h"

namespace llmc::rt {
namespace {

constexpr uint64_t kPageBytes = 368'640;

/// Bytes of `all` that have physical memory.
uint64_t residentBytes(std::span<uint8_t> all) {
  std::vector<unsigned char> pages(all.size() / 4096);
  EXPECT_EQ(mincore(all.data(), pages.size() * 4096, pages.data()), 0);
  return 4096 * static_cast<uint64_t>(std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return p & 1; }));
}

/// Whether this kernel populates at all (5.14 and later).
bool populates() {
  auto probe = Arena::map(kHugePageBytes, "a probe").take();
  populate(probe.data(), probe.size());
  return residentBytes({probe.data(), probe.size()}) > 0;
}

class MemoryAheadTest : public testing::TestWithParam<int> {};

TEST_P(MemoryAheadTest, FindsTheWorkspaceAndThePagesAhead) {
  if (!populates()) GTEST_SKIP() << "the kernel has no MADV_POPULATE_WRITE";
  auto pool = WorkerPool::create({.threads = GetParam(), .pin = false}).take();
  auto workspace = Arena::map(5 * kHugePageBytes, "the workspace").take();
  const uint32_t pages = 40;
  auto kv = KvStore::create(kPageBytes, pages).take();
  workspace.data()[3 * kHugePageBytes + 17] = 42;
  kv->base()[2 * kPageBytes] = 7;
  const std::span<uint8_t> all{kv->base(), uint64_t{pages} * kPageBytes / 4096 * 4096};
  EXPECT_LT(residentBytes(all), all.size());

  MemoryAhead ahead(*pool, {workspace.data(), workspace.size()}, *kv, MemoryAhead::kServing);
  int turns = 0;
  while (ahead.advance()) ++turns;
  EXPECT_EQ(residentBytes({workspace.data(), workspace.size()}), workspace.size());
  EXPECT_EQ(residentBytes(all), all.size());
  const int workers = GetParam();
  EXPECT_EQ(turns, (5 + workers - 1) / workers + (8 + workers - 1) / workers) << "14.06 MiB of pages are 8 huge ones";
  EXPECT_EQ(workspace.data()[3 * kHugePageBytes + 17], 42);
  EXPECT_EQ(kv->base()[2 * kPageBytes], 7);
  EXPECT_FALSE(ahead.advance());
}

INSTANTIATE_TEST_SUITE_P(Workers, MemoryAheadTest, testing::Values(1, 3));

TEST(MemoryAhead, HasWhatIsPromisedAndThenWhatIsReached) {
  if (!populates()) GTEST_SKIP() << "the kernel has no MADV_POPULATE_WRITE";
  auto pool = WorkerPool::create({.threads = 2, .pin = false}).take();
  auto kv = KvStore::create(kHugePageBytes, 40).take();
  const std::span<uint8_t> all{kv->base(), 40 * kHugePageBytes};
  MemoryAhead ahead(*pool, {}, *kv, 4 * kHugePageBytes);
  while (ahead.advance()) {
  }
  EXPECT_EQ(residentBytes(all), 4 * kHugePageBytes);
  ahead.want(3);
  EXPECT_FALSE(ahead.reach(3));
  EXPECT_EQ(residentBytes(all), 4 * kHugePageBytes) << "they were there";
  EXPECT_TRUE(ahead.reach(11));
  EXPECT_EQ(residentBytes(all), 6 * kHugePageBytes) << "of what is held for later, a page a worker";
  ahead.reach(7);
  EXPECT_EQ(residentBytes(all), 8 * kHugePageBytes) << "one is held; its worker's neighbour clears the next one";
  EXPECT_FALSE(ahead.reach(8));
  EXPECT_EQ(residentBytes(all), 8 * kHugePageBytes) << "nobody waits for what nobody has";
  EXPECT_FALSE(ahead.advance());
}

TEST(MemoryAhead, HasWhatAStepWritesWhereverItLies) {
  if (!populates()) GTEST_SKIP() << "the kernel has no MADV_POPULATE_WRITE";
  auto pool = WorkerPool::create({.threads = 2, .pin = false}).take();
  auto kv = KvStore::create(kHugePageBytes, 40).take();
  const std::span<uint8_t> all{kv->base(), 40 * kHugePageBytes};
  MemoryAhead ahead(*pool, {}, *kv, 0);
  for (uint32_t page : {30u, 31u, 38u}) ahead.want(page);
  EXPECT_TRUE(ahead.reach(39));
  EXPECT_EQ(residentBytes(all), 4 * kHugePageBytes) << "three that are written and one of those held";
  for (uint32_t page : {30u, 31u, 38u})
    EXPECT_EQ(residentBytes(all.subspan(page * kHugePageBytes, kHugePageBytes)), kHugePageBytes) << page;
  EXPECT_EQ(residentBytes(all.first(kHugePageBytes)), kHugePageBytes) << "the lowest one first";
  ahead.want(31);
  ahead.reach(0);
  EXPECT_EQ(residentBytes(all), 4 * kHugePageBytes) << "the same one again";
  ahead.want(20);
  ahead.reach(0);
  EXPECT_EQ(residentBytes(all), 6 * kHugePageBytes) << "beside one that is written the first that is not ready";
  for (int turn = 0; turn < 25; ++turn) ahead.reach(1000);
  EXPECT_EQ(residentBytes(all), all.size()) << "there are no more";
  EXPECT_EQ(ahead.kvReady(), all.size());
}

/// Memory that host code must not touch.
class DevicePages final : public PageMemory {
 public:
  uint8_t* base() const override { return nullptr; }
  bool onDevice() const override { return true; }
  Status copy(uint8_t*, const uint8_t*, uint64_t) override { return Status::ok(); }
  Status fill(uint8_t*, uint8_t, uint64_t) override { return Status::ok(); }
  Status wait() override { return Status::ok(); }
};

TEST(MemoryAhead, OfAServerIsAShareOfItsPool) {
  constexpr uint64_t mib = uint64_t{1} << 20;
  EXPECT_EQ(MemoryAhead::ahead(64 * mib), MemoryAhead::kServing) << "no more than there is is made ready";
  EXPECT_EQ(MemoryAhead::ahead(2048 * mib), 256 * mib);
  EXPECT_EQ(MemoryAhead::ahead(65536 * mib), 512 * mib);
}

TEST(MemoryAhead, LeavesADeviceAlone) {
  auto pool = WorkerPool::create({.threads = 1, .pin = false}).take();
  auto kv = KvStore::over(std::make_unique<DevicePages>(), kPageBytes, 10);
  MemoryAhead ahead(*pool, {}, *kv, MemoryAhead::kServing);
  ahead.want(9);
  ahead.reach(10);
  EXPECT_FALSE(ahead.advance());
}

}  // namespace
}  // namespace llmc::rt
