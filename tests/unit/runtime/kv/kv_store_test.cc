// Pages are apart from each other, start as zero and can be copied.
#include "runtime/kv/kv_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace llmc::rt {
namespace {

TEST(KvStore, CopiesWholePages) {
  auto store = KvStore::create(1000, 3).take();
  EXPECT_TRUE(std::all_of(store->base(), store->base() + 3000, [](uint8_t b) { return b == 0; }));
  std::fill_n(store->base() + 1000, 1000, uint8_t{9});
  store->copyPage(1, 2);
  EXPECT_TRUE(std::all_of(store->base(), store->base() + 1000, [](uint8_t b) { return b == 0; }));
  EXPECT_TRUE(std::all_of(store->base() + 2000, store->base() + 3000, [](uint8_t b) { return b == 9; }));
}

TEST(KvStore, PagesMoveBetweenStoresAndAreCleared) {
  auto device = KvStore::create(1000, 3).take(), host = KvStore::create(1000, 2).take();
  for (int i = 0; i < 3000; ++i) device->base()[i] = static_cast<uint8_t>(i * 7 / 5);
  const std::vector<uint8_t> before(device->base(), device->base() + 3000);
  host->copyPageOf(*device, 2, 1);
  device->clearPage(2);
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 2000, device->base()));
  EXPECT_TRUE(std::all_of(device->base() + 2000, device->base() + 3000, [](uint8_t b) { return b == 0; }));
  device->copyPageOf(*host, 1, 0);
  EXPECT_TRUE(std::equal(before.begin() + 2000, before.end(), device->base()));
}

TEST(KvStore, ReportsMemoryThatCannotBeHad) {
  for (uint64_t pageBytes : {uint64_t{1} << 45, ~uint64_t{0}}) {
    auto store = KvStore::create(pageBytes, 1 << 16);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.status().code(), "RT_MEMORY");
  }
}

}  // namespace
}  // namespace llmc::rt
