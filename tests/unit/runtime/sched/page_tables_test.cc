// Block tables: shared prefixes, copies on write, swapping, doubtful pages, each with its moves.
#include "runtime/sched/page_tables.h"

#include <gtest/gtest.h>

#include <numeric>

namespace llmc::rt {
namespace {

struct Prompt {
  std::vector<int32_t> tokens;
  std::vector<Digest128> keys;
  explicit Prompt(uint32_t length, int32_t first = 0) : tokens(length) {
    std::iota(tokens.begin(), tokens.end(), first);
    for (uint32_t i = 0; i < length / kPageTokens; ++i)
      keys.push_back(PrefixCache::pageHash(keys.empty() ? Digest128{} : keys.back(),
                                           std::span(tokens).subspan(i * kPageTokens, kPageTokens)));
  }
  KeyedTokens keyed() const { return {tokens, keys, {}}; }
};

TEST(PageTables, OpensWithTheCachedPrefix) {
  PageTables tables(8, 0, 4, 4, true);
  const Prompt prompt(40);
  PageHolding first, second;
  EXPECT_EQ(tables.open(first, prompt.keyed(), 3), 0u);
  tables.publish(first, prompt.keyed(), 40);
  EXPECT_EQ(first.published, 2u);
  EXPECT_EQ(tables.open(second, prompt.keyed(), 3), 32u);
  EXPECT_EQ(tables.pages(second)[1], tables.pages(first)[1]);
  EXPECT_NE(tables.pages(second)[2], tables.pages(first)[2]);
  tables.close(first);
  tables.close(second);
  EXPECT_EQ(tables.available(), 8u);
}

TEST(PageTables, GrowsAllOrNothing) {
  PageTables tables(3, 0, 4, 4, true);
  PageHolding one;
  tables.open(one, Prompt(16).keyed(), 1);
  EXPECT_FALSE(tables.grow(one, 4));
  EXPECT_EQ(one.count, 1u);
  EXPECT_TRUE(tables.grow(one, 3));
}

TEST(PageTables, AnEqualPageThatWasThereReplacesTheOwn) {
  PageTables tables(8, 0, 4, 4, true);
  const Prompt prompt(16);
  PageHolding first, second;
  tables.open(first, prompt.keyed(), 1);
  tables.open(second, prompt.keyed(), 1);
  tables.publish(first, prompt.keyed(), 16);
  tables.publish(second, prompt.keyed(), 16);
  EXPECT_EQ(tables.pages(first)[0], tables.pages(second)[0]);
  EXPECT_EQ(tables.device().freePages(), 7u);
}

TEST(PageTables, WhatAnAbortedSequenceMadeLeavesTheCache) {
  PageTables tables(8, 0, 4, 6, true);
  const Prompt before(32), longer(64);
  PageHolding finished, aborted;
  tables.open(finished, before.keyed(), 2);
  tables.publish(finished, before.keyed(), 32);
  tables.close(finished);
  EXPECT_EQ(tables.open(aborted, longer.keyed(), 4), 32u);
  tables.publish(aborted, longer.keyed(), 64);
  EXPECT_EQ(tables.find(longer.keyed()).pages, 4u);
  tables.closeAborted(aborted, longer.keyed());
  EXPECT_EQ(tables.find(longer.keyed()).pages, 2u) << "what was there before stays";
  EXPECT_EQ(tables.cache().stats().withdrawn, 2u);
  EXPECT_EQ(tables.available(), 8u);
  EXPECT_TRUE(tables.cache().check());
}

TEST(PageTables, WhatOthersHoldOrMadeOutlivesAnAbort) {
  PageTables tables(12, 0, 4, 4, true);
  const Prompt prompt(48);
  PageHolding maker, sharer, twin;
  tables.open(maker, prompt.keyed(), 3);
  tables.open(twin, prompt.keyed(), 3);
  tables.publish(maker, prompt.keyed(), 32);
  EXPECT_EQ(tables.open(sharer, prompt.keyed(), 3), 32u);
  tables.publish(maker, prompt.keyed(), 48);
  tables.closeAborted(maker, prompt.keyed());
  EXPECT_EQ(tables.find(prompt.keyed()).pages, 2u) << "the sharer's prefix stays";
  tables.publish(twin, prompt.keyed(), 32);  // equal pages, which are there
  tables.publish(sharer, prompt.keyed(), 48);
  tables.close(sharer);
  tables.closeAborted(twin, prompt.keyed());
  EXPECT_EQ(tables.find(prompt.keyed()).pages, 3u) << "a finished sequence's pages are not the twin's";
  EXPECT_TRUE(tables.cache().check());
}

TEST(PageTables, WithoutACacheNothingIsFound) {
  PageTables tables(8, 0, 4, 4, false);
  const Prompt prompt(32);
  PageHolding one;
  tables.open(one, prompt.keyed(), 2);
  tables.publish(one, prompt.keyed(), 32);
  EXPECT_EQ(tables.find(prompt.keyed()).pages, 0u);
  tables.close(one);
  EXPECT_EQ(tables.device().freePages(), 8u);
}

TEST(PageTables, ForksCopyTheSharedPageTheyWrite) {
  PageTables tables(8, 0, 4, 4, true);
  std::vector<PageMove> moves;
  PageHolding first, second;
  tables.open(first, Prompt(20).keyed(), 2);
  tables.fork(first, second, 2);
  ASSERT_TRUE(tables.copyNeeded(first, 20));
  const int32_t shared = tables.pages(first)[1];
  ASSERT_TRUE(tables.copyForWrite(first, 20, moves));
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_EQ(moves[0].from, shared);
  EXPECT_EQ(moves[0].to, tables.pages(first)[1]);
  EXPECT_FALSE(tables.copyNeeded(second, 20)) << "it is alone now";
  EXPECT_FALSE(tables.copyNeeded(second, 32)) << "a page that is not there yet is fresh";
}

TEST(PageTables, SwapsOutAndIn) {
  PageTables tables(4, 4, 4, 4, true);
  std::vector<PageMove> moves;
  const Prompt prompt(40);
  PageHolding one;
  tables.open(one, prompt.keyed(), 3);
  tables.publish(one, prompt.keyed(), 16);
  ASSERT_TRUE(tables.swapOut(one, 40, moves));
  EXPECT_EQ(moves.size(), 3u);
  EXPECT_EQ(tables.host().freePages(), 1u);
  EXPECT_EQ(tables.available(), 4u);
  moves.clear();
  tables.swapIn(one, prompt.keyed(), 3, moves);
  EXPECT_EQ(moves.size(), 2u) << "the first page was still in the cache";
  EXPECT_EQ(tables.host().freePages(), 4u);
}

TEST(PageTables, SwapsNothingWhenTheHostIsFull) {
  PageTables tables(4, 2, 4, 4, true);
  std::vector<PageMove> moves;
  PageHolding one;
  tables.open(one, Prompt(40).keyed(), 3);
  EXPECT_FALSE(tables.swapOut(one, 40, moves));
  EXPECT_TRUE(moves.empty());
  EXPECT_EQ(one.count, 3u);
  EXPECT_EQ(tables.host().freePages(), 2u);
}

TEST(PageTables, DoubtfulPagesAreClearedAndNeverFound) {
  PageTables tables(8, 0, 4, 4, true);
  std::vector<PageMove> moves;
  const Prompt prompt(40);
  PageHolding bad, other;
  tables.open(bad, prompt.keyed(), 3);
  tables.publish(bad, prompt.keyed(), 40);
  tables.open(other, prompt.keyed(), 3);
  tables.closeDoubtful(bad, moves);
  EXPECT_EQ(tables.find(prompt.keyed()).pages, 0u);
  ASSERT_EQ(moves.size(), 1u) << "the two that another still reads are left alone";
  EXPECT_EQ(moves[0].kind, PageMove::Kind::kClear);
  tables.publish(other, prompt.keyed(), 40);
  EXPECT_EQ(tables.find(prompt.keyed()).pages, 0u);
  tables.close(other);
  EXPECT_EQ(tables.device().freePages(), 8u);
}

}  // namespace
}  // namespace llmc::rt
