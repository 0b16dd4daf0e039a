// The memory behind the KV pages and the pool that hands them out.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/base/status.h"
#include "runtime/device/memory.h"
#include "runtime/kv/block_pool.h"

namespace llmc::rt {

/// Page p lies at base() + p * pageBytes(). Fresh pages read as zero and cost memory only once written; reused pages
/// keep old contents, which no kernel reads past a sequence's length.
class KvStore {
 public:
  /// Error RT_MEMORY (69) when `pages` pages cannot be mapped.
  static Result<std::unique_ptr<KvStore>> create(uint64_t pageBytes, uint32_t pages);

  uint8_t* base() const { return arena_.data(); }
  uint64_t pageBytes() const { return pageBytes_; }
  uint32_t pages() const { return pool_.totalPages(); }
  BlockPool& pool() { return pool_; }

  /// Copies all layers of page `from` over page `to`.
  void copyPage(int32_t from, int32_t to);
  /// Copies page `from` of another store with equal pages over page `to`: swapping.
  void copyPageOf(const KvStore& other, int32_t from, int32_t to);
  void clearPage(int32_t id);

 private:
  KvStore(Arena arena, uint64_t pageBytes, uint32_t pages);
  uint8_t* page(int32_t id) const { return base() + static_cast<uint64_t>(id) * pageBytes_; }
  Arena arena_;
  uint64_t pageBytes_;
  BlockPool pool_;
};

}  // namespace llmc::rt
