// Page ids and their counts, by example and against a model over random operations.
#include "runtime/kv/block_pool.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace llmc::rt {
namespace {

TEST(BlockPool, HandsOutEachPageOnce) {
  BlockPool pool(5);
  std::set<int32_t> pages;
  for (int i = 0; i < 5; ++i) pages.insert(*pool.allocate());
  EXPECT_EQ(pages, (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_FALSE(pool.allocate());
  EXPECT_EQ(pool.freePages(), 0u);
}

TEST(BlockPool, StartsAtPageZeroAndReusesTheLastFreed) {
  BlockPool pool(4);
  EXPECT_EQ(*pool.allocate(), 0);
  EXPECT_EQ(*pool.allocate(), 1);
  EXPECT_EQ(*pool.allocate(), 2);
  pool.release(0);
  pool.release(1);
  EXPECT_EQ(*pool.allocate(), 1);
  EXPECT_EQ(*pool.allocate(), 0);
  EXPECT_EQ(pool.touchedPages(), 3u);
  EXPECT_EQ(*pool.allocate(), 3);
  EXPECT_EQ(pool.touchedPages(), 4u);
}

TEST(BlockPool, SharedPagesStayUntilTheLastOwnerLeaves) {
  BlockPool pool(1);
  const int32_t page = *pool.allocate();
  pool.retain(page);
  pool.release(page);
  EXPECT_FALSE(pool.allocate());
  pool.release(page);
  EXPECT_EQ(*pool.allocate(), page);
}

TEST(BlockPool, EmptyPoolHasNothing) {
  BlockPool pool(0);
  EXPECT_FALSE(pool.allocate());
}

TEST(BlockPool, AgreesWithAModelOverRandomOperations) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    BlockPool pool(1 + random() % 40);
    std::map<int32_t, uint32_t> owners;
    for (int step = 0; step < 2000; ++step) {
      const uint32_t choice = random() % 3;
      if (choice == 0) {
        const auto page = pool.allocate();
        ASSERT_EQ(page.has_value(), owners.size() < pool.totalPages());
        if (page) ASSERT_TRUE(owners.emplace(*page, 1).second) << "page given twice";
      } else if (!owners.empty()) {
        auto entry = std::next(owners.begin(), static_cast<long>(random() % owners.size()));
        if (choice == 1) {
          pool.retain(entry->first);
          ++entry->second;
        } else {
          pool.release(entry->first);
          if (--entry->second == 0) owners.erase(entry);
        }
      }
      ASSERT_EQ(pool.usedPages(), owners.size());
      ASSERT_EQ(pool.freePages() + pool.usedPages(), pool.totalPages());
      for (const auto& [page, count] : owners) ASSERT_EQ(pool.references(page), count);
    }
  }
}

}  // namespace
}  // namespace llmc::rt
