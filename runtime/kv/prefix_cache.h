// Finds full KV pages again by the tokens they hold: a tree of pages keyed by chained hashes, idle pages evicted by
// age.
//
// A page enters by publish() once all its 16 tokens are computed and known to be valid; partial pages never do. Its key
// is the 128-bit hash of its parent's key and its own tokens, so that one lookup a page walks a prefix. A hit counts
// only when the 16 tokens are equal and the parent is the page matched before it: by induction the whole prefix is
// equal, and no collision can give one request the KV of another.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/format/kernel_abi.h"
#include "runtime/format/layout.h"
#include "runtime/kv/block_pool.h"

namespace llmc::rt {

/// Counts since construction. queries and hits are tokens, as vLLM's prefix_cache_queries and prefix_cache_hits.
struct PrefixStats {
  uint64_t queries = 0, hits = 0;
  uint64_t published = 0, evicted = 0, withdrawn = 0;  ///< pages
};

/// What find() saw: `pages` cached pages lead the prompt, `idle` of them are held by no sequence.
struct PrefixMatch {
  uint32_t pages = 0, idle = 0;
};

/// Page supply of a pool whose freed pages stay findable until their room is needed. All pages of the pool must be
/// taken and given back here. One thread; `pool` must outlive it. Allocates only at construction. O(1) a page.
/// Rule of owners: who holds a cached page holds its parents too. Then an idle page (held by the cache alone) has only
/// idle descendants, and a sequence that frees its pages last-first queues every page behind its children: the oldest
/// idle page is always a leaf, and eviction never strands a child.
class PrefixCache {
 public:
  explicit PrefixCache(BlockPool& pool);

  /// Pages that allocate() can give: free ones and idle ones.
  uint32_t availablePages() const { return pool_->freePages() + idle_; }
  uint32_t idlePages() const { return idle_; }
  bool cached(int32_t page) const { return entries_[static_cast<size_t>(page)].cached; }
  /// Holders apart from the cache itself.
  uint32_t owners(int32_t page) const { return pool_->references(page) - (cached(page) ? 1 : 0); }
  const PrefixStats& stats() const { return stats_; }

  /// A page with one owner and unknown contents; evicts the page idle for longest when none is free. Nothing when all
  /// are owned.
  std::optional<int32_t> allocate();
  /// One owner more. Requires: `page` is owned or cached.
  void retain(int32_t page);
  /// One owner less. Requires: `page` is owned; a sequence gives its pages back from the last to the first.
  void release(int32_t page);

  /// Key of a page; `parent` is the key of the page before it, or the salt for the first page of a prompt.
  static Digest128 pageHash(const Digest128& parent, std::span<const int32_t> tokens);

  /// How much of a prompt is cached. `hashes` [n] are the keys of its first n full pages, `tokens` its ids (16 n at
  /// least), `salt` separates tenants: pages of another salt never match. Changes nothing, counts nothing.
  PrefixMatch find(std::span<const int32_t> tokens, std::span<const Digest128> hashes, const Digest128& salt) const;
  /// The same, and takes ownership of the pages found; `pages` gets their ids. Requires: pages.size() >= hashes.size().
  uint32_t acquire(std::span<const int32_t> tokens, std::span<const Digest128> hashes, const Digest128& salt,
                   std::span<int32_t> pages);
  /// Adds to the statistics: a prompt of `tokens` was looked up, `hits` of its tokens were cached.
  void countQuery(uint64_t tokens, uint64_t hits) { stats_.queries += tokens, stats_.hits += hits; }

  /// Makes an owned page findable: full, computed, valid. `parent` is the page before it (-1: none), owned too. Returns
  /// the page to use from now on: `page`, or an equal one that was there first, whose ownership replaces that of
  /// `page`. Nothing when the parent was withdrawn: then `page` stays private, and so do all after it.
  std::optional<int32_t> publish(int32_t page, int32_t parent, std::span<const int32_t> tokens, const Digest128& hash,
                                 const Digest128& salt);
  /// Makes a page and all its descendants unfindable, because what they hold is in doubt. Owners keep them.
  /// O(descendants).
  void withdraw(int32_t page);
  /// Makes the pages of a prompt from the last of `hashes` back to number `from` unfindable, up to one that somebody
  /// owns or another cached page follows. Arguments as of find().
  void forget(std::span<const int32_t> tokens, std::span<const Digest128> hashes, const Digest128& salt, uint32_t from);
  /// Evicts every idle page.
  void clear();

  /// For tests: every invariant above, in O(pages). Error RT_KV_STATE (70) names the page.
  Status check() const;

 private:
  struct Entry {
    Digest128 hash, salt;
    std::array<int32_t, kPageTokens> tokens = {};
    int32_t parent = -1, firstChild = -1, nextSibling = -1, previousSibling = -1;
    int32_t newer = -1, older = -1;  ///< neighbours in the list of idle pages
    int32_t nextInBucket = -1;
    bool cached = false;
  };
  Entry& entry(int32_t page) { return entries_[static_cast<size_t>(page)]; }
  const Entry& entry(int32_t page) const { return entries_[static_cast<size_t>(page)]; }
  int32_t& bucket(const Digest128& hash) { return buckets_[hash.low & (buckets_.size() - 1)]; }
  int32_t lookup(const Digest128& hash, int32_t parent, std::span<const int32_t> tokens, const Digest128& salt) const;
  void insert(int32_t page);
  void remove(int32_t page);
  void pushIdle(int32_t page);
  void unlinkIdle(int32_t page);
  Status checkPage(int32_t page) const;

  BlockPool* pool_;
  std::vector<Entry> entries_;    ///< [page]
  std::vector<int32_t> buckets_;  ///< [power of two] first page of each chain
  int32_t oldest_ = -1, newest_ = -1;
  uint32_t idle_ = 0;
  PrefixStats stats_;
};

}  // namespace llmc::rt
