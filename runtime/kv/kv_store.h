// The memory behind the KV pages and the pool that hands them out.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/base/status.h"
#include "runtime/kv/block_pool.h"
#include "runtime/kv/page_memory.h"

namespace llmc::rt {

/// Page p lies at base() + p * pageBytes(). Fresh pages read as zero; reused pages keep old contents, which no kernel
/// reads past a sequence's length. Pages of a device are changed in the order of its work: a copy sees what the steps
/// before it wrote, and steps after it see the copy.
class KvStore {
 public:
  /// In host memory, which costs something only once written. Error RT_MEMORY (69) when it cannot be mapped.
  static Result<std::unique_ptr<KvStore>> create(uint64_t pageBytes, uint32_t pages);
  /// In `memory`, at least pages * pageBytes long.
  static std::unique_ptr<KvStore> over(std::unique_ptr<PageMemory> memory, uint64_t pageBytes, uint32_t pages);

  uint8_t* base() const { return memory_->base(); }  ///< on a device: its address, not one of the host
  bool onDevice() const { return memory_->onDevice(); }
  uint64_t pageBytes() const { return pageBytes_; }
  uint32_t pages() const { return pool_.totalPages(); }
  BlockPool& pool() { return pool_; }

  /// Copies all layers of page `from` over page `to`. Errors, here and below, come from devices alone.
  Status copyPage(int32_t from, int32_t to);
  /// Copies page `from` of another store with equal pages over page `to`: swapping. One of the two is in host memory.
  Status copyPageOf(const KvStore& other, int32_t from, int32_t to);
  Status clearPage(int32_t id);
  /// Sets every byte of the pages [0, count).
  Status fillPages(uint32_t count, uint8_t value);
  /// Returns when all copies are done: for people who measure.
  Status wait() { return memory_->wait(); }

 private:
  KvStore(std::unique_ptr<PageMemory> memory, uint64_t pageBytes, uint32_t pages);
  uint8_t* page(int32_t id) const { return base() + static_cast<uint64_t>(id) * pageBytes_; }
  std::unique_ptr<PageMemory> memory_;
  uint64_t pageBytes_;
  BlockPool pool_;
};

}  // namespace llmc::rt
