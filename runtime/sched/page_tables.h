// Block tables of the running sequences: who holds which page on the device or the host, and the copies this needs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/kv/block_pool.h"
#include "runtime/kv/prefix_cache.h"

namespace llmc::rt {

/// Work on page contents that a plan asks for, in the order it was decided: a page may be the target of one move and
/// the source of a later one, so the loop carries them out one after the other, before the step's kernels.
struct PageMove {
  enum class Kind : uint8_t {
    kCopy,     ///< device page `from` to device page `to`: copy on write
    kSwapOut,  ///< device page `from` to host page `to`
    kSwapIn,   ///< host page `from` to device page `to`
    kClear,    ///< zero device page `to`: its contents are in doubt
  };
  Kind kind;
  int32_t from, to;
};

/// What one sequence holds. Filled by PageTables.
struct PageHolding {
  int32_t row = -1;        ///< of the tables, -1: no device pages
  uint32_t count = 0;      ///< device pages
  uint32_t published = 0;  ///< of these, how many lead ones are in the prefix cache
  bool publishing = true;  ///< false once a page before was withdrawn
  /// Lead pages that the prefix cache had from others, and the end of those that it has from this sequence: what leaves
  /// the cache when the sequence is aborted. They outlive the row.
  std::optional<uint32_t> found;
  uint32_t made = 0;
  std::vector<int32_t> host;  ///< host pages, while swapped out
};

/// Tokens of a sequence with the keys of their full pages, as the prefix cache wants them.
struct KeyedTokens {
  std::span<const int32_t> tokens;
  std::span<const Digest128> keys;
  Digest128 salt;
};

constexpr uint32_t pagesOf(uint32_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

/// One thread. All tables are sized at construction: `rows` sequences of `stride` pages. Only swapOut() allocates.
class PageTables {
 public:
  PageTables(uint32_t pages, uint32_t hostPages, uint32_t rows, uint32_t stride, bool prefixCache);
  PageTables(const PageTables&) = delete;
  PageTables& operator=(const PageTables&) = delete;

  const BlockPool& device() const { return device_; }
  const BlockPool& host() const { return host_; }
  PrefixCache& cache() { return cache_; }
  const PrefixCache& cache() const { return cache_; }
  bool prefixCache() const { return prefixCache_; }
  uint32_t available() const { return cache_.availablePages(); }
  std::span<const int32_t> pages(const PageHolding& holding) const;

  /// What the cache has of a prompt; nothing when there is no cache.
  PrefixMatch find(const KeyedTokens& prompt) const;
  /// A row with the cached prefix and fresh pages up to `total`. Returns the tokens that were cached. Requires: no row
  /// held, and total - find().pages <= available() - find().idle.
  uint32_t open(PageHolding& holding, const KeyedTokens& prompt, uint32_t total);
  /// Fresh pages up to `total`. False, and nothing changed, when there are too few.
  bool grow(PageHolding& holding, uint32_t total);
  /// True when the page of token `token` is there but shared, so that writing it needs a copy.
  bool copyNeeded(const PageHolding& holding, uint32_t token) const;
  /// The copy. False when no page is available. Requires: copyNeeded().
  bool copyForWrite(PageHolding& holding, uint32_t token, std::vector<PageMove>& moves);
  /// `to` gets a row with the first `count` pages of `from`, shared.
  void fork(const PageHolding& from, PageHolding& to, uint32_t count);
  /// Caches all full pages among the first `computed` tokens; an equal page that was there replaces the own one.
  void publish(PageHolding& holding, const KeyedTokens& sequence, uint32_t computed);
  /// Gives everything back, last page first; host pages too.
  void close(PageHolding& holding);
  /// The same of a sequence that was cancelled or ran out of time: what it put into the prefix cache leaves it, but for
  /// what others hold or stand on. `sequence`: with the keys of `made` pages at least.
  void closeAborted(PageHolding& holding, const KeyedTokens& sequence);
  /// The same after a fault: nothing the sequence held stays findable, and what becomes free is cleared first.
  void closeDoubtful(PageHolding& holding, std::vector<PageMove>& moves);
  /// Contents of the pages of `computed` tokens go to host pages, the device pages back. False, and nothing changed,
  /// when the host has too few.
  bool swapOut(PageHolding& holding, uint32_t computed, std::vector<PageMove>& moves);
  /// Back to `total` device pages; those still in the prefix cache need no copy. Requires as open().
  void swapIn(PageHolding& holding, const KeyedTokens& sequence, uint32_t total, std::vector<PageMove>& moves);

 private:
  int32_t* row(const PageHolding& holding) { return &table_[static_cast<size_t>(holding.row) * stride_]; }
  void takeRow(PageHolding& holding);
  void closeDevice(PageHolding& holding);

  const uint32_t stride_;
  const bool prefixCache_;
  BlockPool device_, host_;
  PrefixCache cache_;
  std::vector<int32_t> table_;     ///< [rows][stride] page ids
  std::vector<int32_t> freeRows_;  ///< stack
};

}  // namespace llmc::rt
