// Sequences over shared pages: contents follow each sequence through fork, append and rollback, against a plain model.
#include "runtime/kv/sequence_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "runtime/format/kernel_abi.h"

namespace llmc::rt {
namespace {

// One 32-bit word a token stands for its K and V.
constexpr uint64_t kPageBytes = kPageTokens * 4;

int32_t* tokenAddress(KvStore& store, const SequenceCache& cache, uint32_t token) {
  const int32_t page = cache.pages()[token / kPageTokens];
  return reinterpret_cast<int32_t*>(store.base() + static_cast<uint64_t>(page) * kPageBytes) + token % kPageTokens;
}

TEST(SequenceCache, TakesPagesAsTokensCome) {
  auto store = KvStore::create(kPageBytes, 4).take();
  SequenceCache cache(*store, 64);
  EXPECT_TRUE(cache.append(0));
  EXPECT_EQ(cache.pages().size(), 0u);
  EXPECT_TRUE(cache.append(16));
  EXPECT_EQ(cache.pages().size(), 1u);
  EXPECT_TRUE(cache.append(1));
  EXPECT_EQ(cache.pages().size(), 2u);
  cache.truncate(16);
  EXPECT_EQ(store->pool().freePages(), 3u);
}

TEST(SequenceCache, RefusesBeyondItsContextAndChangesNothing) {
  auto store = KvStore::create(kPageBytes, 8).take();
  SequenceCache cache(*store, 20);
  EXPECT_TRUE(cache.append(18));
  const Status status = cache.append(3);
  EXPECT_EQ(status.code(), "RT_CONTEXT");
  EXPECT_EQ(cache.length(), 18u);
  EXPECT_TRUE(cache.append(2));
}

TEST(SequenceCache, RefusesWhenPagesRunOutAndChangesNothing) {
  auto store = KvStore::create(kPageBytes, 2).take();
  SequenceCache cache(*store, 640);
  EXPECT_TRUE(cache.append(10));
  const Status status = cache.append(30);
  EXPECT_EQ(status.code(), "RT_KV_FULL");
  EXPECT_NE(status.message().find("2 KV pages needed, 1 of 2 free"), std::string::npos) << status.message();
  EXPECT_EQ(cache.length(), 10u);
  EXPECT_EQ(store->pool().freePages(), 1u);
}

TEST(SequenceCache, ForkSharesUntilOneSideWrites) {
  auto store = KvStore::create(kPageBytes, 8).take();
  SequenceCache first(*store, 64);
  ASSERT_TRUE(first.append(20));
  for (uint32_t t = 0; t < 20; ++t) *tokenAddress(*store, first, t) = static_cast<int32_t>(t);
  SequenceCache second = first.fork();
  EXPECT_EQ(store->pool().usedPages(), 2u);
  ASSERT_TRUE(second.append(1));
  EXPECT_EQ(store->pool().usedPages(), 3u);
  EXPECT_EQ(first.pages()[0], second.pages()[0]);
  EXPECT_NE(first.pages()[1], second.pages()[1]);
  *tokenAddress(*store, second, 20) = 99;
  ASSERT_TRUE(first.append(1));
  *tokenAddress(*store, first, 20) = 77;
  for (uint32_t t = 0; t < 20; ++t) EXPECT_EQ(*tokenAddress(*store, second, t), static_cast<int32_t>(t));
  EXPECT_EQ(*tokenAddress(*store, second, 20), 99);
}

TEST(SequenceCache, CopyOnWriteNeedsAPageToo) {
  auto store = KvStore::create(kPageBytes, 1).take();
  SequenceCache first(*store, 64);
  ASSERT_TRUE(first.append(3));
  SequenceCache second = first.fork();
  EXPECT_EQ(second.append(1).code(), "RT_KV_FULL");
  EXPECT_EQ(store->pool().references(0), 2u);
}

TEST(SequenceCache, MovedFromOwnsNothing) {
  auto store = KvStore::create(kPageBytes, 4).take();
  {
    SequenceCache first(*store, 64);
    ASSERT_TRUE(first.append(17));
    SequenceCache second = std::move(first);
    EXPECT_EQ(second.length(), 17u);
    SequenceCache third(*store, 64);
    third = std::move(second);
    EXPECT_EQ(store->pool().usedPages(), 2u);
  }
  EXPECT_EQ(store->pool().freePages(), 4u);
}

/// A sequence and what its tokens must read as.
struct Modelled {
  SequenceCache cache;
  std::vector<int32_t> tokens;
};

void checkAll(KvStore& store, const std::vector<Modelled>& all) {
  std::vector<uint32_t> owners(store.pages(), 0);
  for (const auto& one : all) {
    ASSERT_EQ(one.cache.length(), one.tokens.size());
    ASSERT_EQ(one.cache.pages().size(), (one.tokens.size() + kPageTokens - 1) / kPageTokens);
    for (const int32_t page : one.cache.pages()) ++owners[static_cast<size_t>(page)];
    for (uint32_t t = 0; t < one.tokens.size(); ++t) ASSERT_EQ(*tokenAddress(store, one.cache, t), one.tokens[t]);
  }
  uint32_t used = 0;
  for (uint32_t page = 0; page < store.pages(); ++page) {
    ASSERT_EQ(store.pool().references(static_cast<int32_t>(page)), owners[page]);
    used += owners[page] > 0;
  }
  ASSERT_EQ(store.pool().usedPages(), used);
  ASSERT_EQ(store.pool().freePages() + used, store.pages());
}

TEST(SequenceCache, AgreesWithAModelOverRandomOperations) {
  std::mt19937 random(11);
  for (int round = 0; round < 10; ++round) {
    auto store = KvStore::create(kPageBytes, 8 + random() % 24).take();
    std::vector<Modelled> all;
    int32_t next = 1;
    for (int step = 0; step < 400; ++step) {
      const uint32_t choice = random() % 10;
      if (all.empty() || choice == 0) {
        all.push_back({SequenceCache(*store, 300), {}});
      } else if (choice == 1 && all.size() < 8) {
        const auto& source = all[random() % all.size()];
        all.push_back({source.cache.fork(), source.tokens});
      } else if (choice == 2) {
        all.erase(all.begin() + static_cast<long>(random() % all.size()));
      } else if (choice == 3) {
        auto& one = all[random() % all.size()];
        const uint32_t keep = static_cast<uint32_t>(random() % (one.tokens.size() + 1));
        one.cache.truncate(keep);
        one.tokens.resize(keep);
      } else {
        auto& one = all[random() % all.size()];
        const uint32_t count = random() % 40;
        if (!one.cache.append(count)) continue;
        for (uint32_t i = 0; i < count; ++i) {
          one.tokens.push_back(next);
          *tokenAddress(*store, one.cache, static_cast<uint32_t>(one.tokens.size()) - 1) = next++;
        }
      }
      checkAll(*store, all);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace llmc::rt
