// Prefixes found again: exact tokens, salts, order of eviction, doubtful pages, and a model over random operations.
#include "runtime/kv/prefix_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <numeric>
#include <random>

namespace llmc::rt {
namespace {

constexpr Digest128 kNoSalt{};

std::vector<int32_t> counting(uint32_t tokens, int32_t first = 0) {
  std::vector<int32_t> ids(tokens);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

std::vector<Digest128> keysOf(const std::vector<int32_t>& ids, Digest128 salt = kNoSalt) {
  std::vector<Digest128> keys;
  for (size_t page = 0; page < ids.size() / kPageTokens; ++page)
    keys.push_back(PrefixCache::pageHash(keys.empty() ? salt : keys.back(),
                                         std::span(ids).subspan(page * kPageTokens, kPageTokens)));
  return keys;
}

/// A sequence by hand: takes what is cached, allocates and publishes the rest.
struct Holder {
  std::vector<int32_t> pages;
  uint32_t hits = 0;

  Holder(PrefixCache& cache, const std::vector<int32_t>& ids, Digest128 salt = kNoSalt) {
    const auto keys = keysOf(ids, salt);
    pages.resize(keys.size());
    hits = cache.acquire(ids, keys, salt, pages);
    for (size_t i = hits; i < pages.size(); ++i) {
      pages[i] = *cache.allocate();
      pages[i] = *cache.publish(pages[i], i ? pages[i - 1] : -1, std::span(ids).subspan(i * kPageTokens, kPageTokens),
                                keys[i], salt);
    }
  }
  void release(PrefixCache& cache) {
    for (; !pages.empty(); pages.pop_back()) cache.release(pages.back());
  }
};

TEST(PrefixCache, CheckNamesAPageThatWasFreedBehindItsBack) {
  BlockPool pool(4);
  PrefixCache cache(pool);
  Holder holder(cache, counting(16));
  while (pool.references(holder.pages[0]) > 0) pool.release(holder.pages[0]);
  const Status status = cache.check();
  EXPECT_EQ(status.code(), "RT_KV_STATE");
  EXPECT_NE(status.message().find("page " + std::to_string(holder.pages[0]) + ": cached and free"), std::string::npos);
}

TEST(PrefixCache, FindsTheLongestPrefixOfFullPages) {
  BlockPool pool(16);
  PrefixCache cache(pool);
  Holder first(cache, counting(64));
  auto other = counting(64);
  other[40] = 999;
  EXPECT_EQ(cache.find(other, keysOf(other), kNoSalt).pages, 2u);
  EXPECT_EQ(Holder(cache, other).hits, 2u);
  EXPECT_EQ(cache.find(counting(15), keysOf(counting(15)), kNoSalt).pages, 0u);
  EXPECT_TRUE(cache.check());
}

TEST(PrefixCache, PagesOfAnotherSaltNeverMatch) {
  BlockPool pool(16);
  PrefixCache cache(pool);
  const Digest128 tenant{1, 2};
  Holder first(cache, counting(32), tenant);
  EXPECT_EQ(cache.find(counting(32), keysOf(counting(32)), kNoSalt).pages, 0u);
  EXPECT_EQ(cache.find(counting(32), keysOf(counting(32), tenant), tenant).pages, 2u);
  // Not even with the other tenant's keys in hand.
  EXPECT_EQ(cache.find(counting(32), keysOf(counting(32), tenant), kNoSalt).pages, 0u);
}

TEST(PrefixCache, EqualHashOfOtherTokensIsNoHit) {
  BlockPool pool(16);
  PrefixCache cache(pool);
  const auto mine = counting(16), theirs = counting(16, 500);
  const Digest128 key{7, 7};  // a collision, made by hand
  const int32_t page = *cache.allocate();
  ASSERT_EQ(cache.publish(page, -1, mine, key, kNoSalt), page);
  EXPECT_EQ(cache.find(theirs, std::vector{key}, kNoSalt).pages, 0u);
  const int32_t second = *cache.allocate();
  ASSERT_EQ(cache.publish(second, -1, theirs, key, kNoSalt), second) << "both live side by side";
  std::vector<int32_t> out(1);
  EXPECT_EQ(cache.acquire(theirs, std::vector{key}, kNoSalt, out), 1u);
  EXPECT_EQ(out[0], second);
}

TEST(PrefixCache, EqualHashUnderAnotherParentIsNoHit) {
  BlockPool pool(4);
  PrefixCache cache(pool);
  const Digest128 first{1, 1}, other{2, 2}, below{3, 3};
  const auto head = counting(16), otherHead = counting(16, 100), tail = counting(16, 200);
  const int32_t parent = *cache.allocate(), otherParent = *cache.allocate(), child = *cache.allocate();
  ASSERT_TRUE(cache.publish(parent, -1, head, first, kNoSalt));
  ASSERT_TRUE(cache.publish(otherParent, -1, otherHead, other, kNoSalt));
  ASSERT_TRUE(cache.publish(child, parent, tail, below, kNoSalt));
  auto ids = otherHead;
  ids.insert(ids.end(), tail.begin(), tail.end());
  EXPECT_EQ(cache.find(ids, std::vector{other, below}, kNoSalt).pages, 1u) << "those tokens follow another prefix";
}

TEST(PrefixCache, EqualTokensUnderAnotherParentAreNoHit) {
  BlockPool pool(16);
  PrefixCache cache(pool);
  auto ids = counting(32);
  Holder first(cache, ids);
  std::vector<int32_t> swapped(ids.begin() + 16, ids.end());
  swapped.insert(swapped.end(), ids.begin(), ids.begin() + 16);
  EXPECT_EQ(Holder(cache, swapped).hits, 0u);
  EXPECT_TRUE(cache.check());
}

TEST(PrefixCache, ASecondEqualPageGivesWayToTheFirst) {
  BlockPool pool(4);
  PrefixCache cache(pool);
  Holder first(cache, counting(16));
  const int32_t mine = *cache.allocate();
  EXPECT_EQ(cache.publish(mine, -1, counting(16), keysOf(counting(16))[0], kNoSalt), first.pages[0]);
  EXPECT_EQ(cache.owners(first.pages[0]), 2u);
  EXPECT_EQ(pool.freePages(), 3u);
}

TEST(PrefixCache, IdlePagesAreAvailableAndEvictedOldestLeafFirst) {
  BlockPool pool(4);
  PrefixCache cache(pool);
  Holder old(cache, counting(32)), young(cache, counting(32, 100));
  EXPECT_EQ(cache.availablePages(), 0u);
  EXPECT_FALSE(cache.allocate());
  const std::vector<int32_t> oldPages = old.pages, youngPages = young.pages;
  old.release(cache);
  young.release(cache);
  EXPECT_EQ(cache.availablePages(), 4u);
  EXPECT_EQ(pool.freePages(), 0u);
  EXPECT_EQ(*cache.allocate(), oldPages[1]);  // its child, then the parent, then the younger prefix
  EXPECT_EQ(cache.find(counting(32), keysOf(counting(32)), kNoSalt).pages, 1u);
  EXPECT_EQ(*cache.allocate(), oldPages[0]);
  EXPECT_EQ(*cache.allocate(), youngPages[1]);
  EXPECT_EQ(cache.stats().evicted, 3u);
  EXPECT_TRUE(cache.check());
}

TEST(PrefixCache, AHitMakesAPrefixYoungAgain) {
  BlockPool pool(4);
  PrefixCache cache(pool);
  Holder(cache, counting(32)).release(cache);
  Holder(cache, counting(32, 100)).release(cache);
  Holder again(cache, counting(32));
  EXPECT_EQ(again.hits, 2u);
  again.release(cache);
  (void)cache.allocate();
  (void)cache.allocate();
  EXPECT_EQ(cache.find(counting(32), keysOf(counting(32)), kNoSalt).pages, 2u);
  EXPECT_EQ(cache.find(counting(32, 100), keysOf(counting(32, 100)), kNoSalt).pages, 0u);
}

TEST(PrefixCache, AParentSharedByTwoOutlivesBoth) {
  BlockPool pool(3);
  PrefixCache cache(pool);
  auto left = counting(32), right = counting(32);
  right[20] = 777;
  Holder first(cache, left), second(cache, right);
  first.release(cache);
  second.release(cache);
  (void)cache.allocate();
  (void)cache.allocate();
  EXPECT_EQ(cache.find(left, keysOf(left), kNoSalt).pages, 1u) << "both leaves went before their parent";
  EXPECT_TRUE(cache.check());
}

TEST(PrefixCache, WithdrawnPagesAndTheirChildrenAreNotFound) {
  BlockPool pool(8);
  PrefixCache cache(pool);
  Holder first(cache, counting(64));
  auto fork = counting(64);
  fork[50] = 1;
  Holder second(cache, fork);
  cache.withdraw(first.pages[1]);
  EXPECT_EQ(cache.find(counting(64), keysOf(counting(64)), kNoSalt).pages, 1u);
  EXPECT_EQ(cache.find(fork, keysOf(fork), kNoSalt).pages, 1u) << "they stand on the doubtful page";
  EXPECT_EQ(cache.stats().withdrawn, 4u);
  const int32_t next = *cache.allocate();
  EXPECT_FALSE(cache.publish(next, first.pages[3], counting(16), keysOf(counting(16))[0], kNoSalt));
  cache.release(next);
  EXPECT_TRUE(cache.check());
  first.release(cache);
  second.release(cache);
  EXPECT_EQ(pool.freePages(), 7u);
  EXPECT_EQ(cache.idlePages(), 1u);
}

TEST(PrefixCache, ClearDropsWhatNobodyOwns) {
  BlockPool pool(8);
  PrefixCache cache(pool);
  Holder first(cache, counting(32));
  Holder(cache, counting(48)).release(cache);
  cache.clear();
  EXPECT_EQ(pool.freePages(), 6u);
  EXPECT_EQ(cache.find(counting(48), keysOf(counting(48)), kNoSalt).pages, 2u);
}

TEST(PrefixCache, CountsTokens) {
  BlockPool pool(8);
  PrefixCache cache(pool);
  cache.countQuery(100, 64);
  cache.countQuery(10, 0);
  EXPECT_EQ(cache.stats().queries, 110u);
  EXPECT_EQ(cache.stats().hits, 64u);
}

/// What each page must hold by the model; a hit on a page that holds something else fails.
struct Modelled {
  std::vector<int32_t> ids;
  Digest128 salt;
  Holder holder;
};

void checkModel(PrefixCache& cache, const BlockPool& pool, const std::vector<Modelled>& all,
                const std::map<int32_t, std::vector<int32_t>>& contents) {
  std::vector<uint32_t> owners(pool.totalPages(), 0);
  for (const auto& one : all)
    for (size_t i = 0; i < one.holder.pages.size(); ++i) {
      ++owners[static_cast<size_t>(one.holder.pages[i])];
      ASSERT_TRUE(std::equal(one.ids.begin(), one.ids.begin() + static_cast<long>((i + 1) * kPageTokens),
                             contents.at(one.holder.pages[i]).begin()))
          << "a page was given to another prefix";
    }
  for (uint32_t page = 0; page < pool.totalPages(); ++page)
    ASSERT_EQ(cache.owners(static_cast<int32_t>(page)), owners[page]) << "page " << page;
  ASSERT_EQ(pool.freePages() + pool.usedPages(), pool.totalPages());
  const Status status = cache.check();
  ASSERT_TRUE(status) << status.toString();
}

// LLMC_KV_OPERATIONS sets the number of operations; a failure prints the seed.
TEST(PrefixCache, AgreesWithAModelOverRandomOperations) {
  const char* wish = std::getenv("LLMC_KV_OPERATIONS");
  const int64_t operations = wish ? std::atoll(wish) : 60000;
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    BlockPool pool(4 + random() % 40);
    PrefixCache cache(pool);
    std::vector<Modelled> all;
    std::map<int32_t, std::vector<int32_t>> contents;  // page -> the whole prefix up to its end
    for (int64_t step = 0; step < operations / 30; ++step) {
      const uint32_t choice = random() % 16;
      if (choice < 8) {
        // Few distinct tokens: prefixes meet often, at every depth.
        std::vector<int32_t> ids(kPageTokens * (1 + random() % 5));
        for (size_t i = 0; i < ids.size(); i += kPageTokens) ids[i] = static_cast<int32_t>(random() % 3);
        const Digest128 salt{random() % 2, 0};
        if (ids.size() / kPageTokens > cache.availablePages()) continue;
        all.push_back({ids, salt, Holder(cache, ids, salt)});
        const Holder& holder = all.back().holder;
        for (size_t i = holder.hits; i < holder.pages.size(); ++i)
          contents[holder.pages[i]].assign(ids.begin(), ids.begin() + static_cast<long>((i + 1) * kPageTokens));
      } else if (choice < 15 && !all.empty()) {
        const size_t which = random() % all.size();
        all[which].holder.release(cache);
        all.erase(all.begin() + static_cast<long>(which));
      } else if (!all.empty() && random() % 8 == 0) {
        const auto& pages = all[random() % all.size()].holder.pages;
        cache.withdraw(pages[random() % pages.size()]);
      } else if (random() % 8 == 0) {
        cache.clear();
      }
      checkModel(cache, pool, all, contents);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace llmc::rt
