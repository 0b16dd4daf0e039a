// Pages are apart from each other, start as zero and can be copied.
#include "runtime/kv/kv_store.h"

#include <gtest/gtest.h>

#include <algorithm>

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

TEST(KvStore, ReportsMemoryThatCannotBeHad) {
  for (uint64_t pageBytes : {uint64_t{1} << 45, ~uint64_t{0}}) {
    auto store = KvStore::create(pageBytes, 1 << 16);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.status().code(), "RT_MEMORY");
  }
}

}  // namespace
}  // namespace llmc::rt
