// The pages and their copies: for copy-on-write, and between device and host.
#include "runtime/kv/kv_store.h"

#include <cassert>

#include "runtime/base/checked.h"

namespace llmc::rt {

KvStore::KvStore(std::unique_ptr<PageMemory> memory, uint64_t pageBytes, uint32_t pages)
    : memory_(std::move(memory)), pageBytes_(pageBytes), pool_(pages) {}

Result<std::unique_ptr<KvStore>> KvStore::create(uint64_t pageBytes, uint32_t pages) {
  const auto bytes = checkedMul<uint64_t>(pageBytes, pages);
  if (!bytes)
    return Status::error(ErrorKind::kUnavailable, "RT_MEMORY", std::to_string(pages) + " KV pages overflow 64 bits");
  auto memory = hostPages(*bytes);
  if (!memory) return memory.takeStatus();
  return over(memory.take(), pageBytes, pages);
}

std::unique_ptr<KvStore> KvStore::over(std::unique_ptr<PageMemory> memory, uint64_t pageBytes, uint32_t pages) {
  return std::unique_ptr<KvStore>(new KvStore(std::move(memory), pageBytes, pages));
}

Status KvStore::copyPage(int32_t from, int32_t to) { return memory_->copy(page(to), page(from), pageBytes_); }

Status KvStore::copyPageOf(const KvStore& other, int32_t from, int32_t to) {
  assert(other.pageBytes_ == pageBytes_);
  // A device reaches host memory, the host does not reach the device's.
  PageMemory& mover = other.memory_->onDevice() ? *other.memory_ : *memory_;
  return mover.copy(page(to), other.page(from), pageBytes_);
}

Status KvStore::clearPage(int32_t id) { return memory_->fill(page(id), 0, pageBytes_); }

Status KvStore::fillPages(uint32_t count, uint8_t value) {
  return memory_->fill(base(), value, uint64_t{count} * pageBytes_);
}

}  // namespace llmc::rt
