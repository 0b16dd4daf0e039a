// Hands out KV page ids with reference counts; knows nothing of what the pages hold.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace llmc::rt {

/// A fixed set of pages 0..total-1. A page is free (no references) or held by one or more owners. One thread. Every
/// call is O(1) and allocates nothing. Invariant: freePages() + usedPages() == totalPages().
class BlockPool {
 public:
  explicit BlockPool(uint32_t totalPages);

  /// A free page, now with one reference; nothing when all are used. The page freed last comes first: it is the one
  /// most likely still in a cache.
  std::optional<int32_t> allocate();
  /// One owner more. Requires: `page` is held.
  void retain(int32_t page);
  /// One owner less; the last one frees the page. Requires: `page` is held.
  void release(int32_t page);

  uint32_t references(int32_t page) const { return references_[static_cast<size_t>(page)]; }
  uint32_t totalPages() const { return static_cast<uint32_t>(references_.size()); }
  uint32_t freePages() const { return static_cast<uint32_t>(free_.size()); }
  uint32_t usedPages() const { return totalPages() - freePages(); }
  /// Pages from 0 on that somebody has had; the others were never handed out.
  uint32_t touchedPages() const { return touched_; }

 private:
  std::vector<uint32_t> references_;  ///< [page] owners
  std::vector<int32_t> free_;         ///< stack, next page last
  uint32_t touched_ = 0;
};

}  // namespace llmc::rt
