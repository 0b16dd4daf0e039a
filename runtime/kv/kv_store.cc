// Maps the pages and copies them: for copy-on-write, and between device and host.
#include "runtime/kv/kv_store.h"

#include <cassert>
#include <cstring>

#include "runtime/base/checked.h"

namespace llmc::rt {

KvStore::KvStore(Arena arena, uint64_t pageBytes, uint32_t pages)
    : arena_(std::move(arena)), pageBytes_(pageBytes), pool_(pages) {}

Result<std::unique_ptr<KvStore>> KvStore::create(uint64_t pageBytes, uint32_t pages) {
  const auto bytes = checkedMul<uint64_t>(pageBytes, pages);
  if (!bytes)
    return Status::error(ErrorKind::kUnavailable, "RT_MEMORY", std::to_string(pages) + " KV pages overflow 64 bits");
  auto arena = Arena::map(*bytes, "the KV cache");
  if (!arena) return arena.takeStatus();
  return std::unique_ptr<KvStore>(new KvStore(arena.take(), pageBytes, pages));
}

void KvStore::copyPage(int32_t from, int32_t to) { std::memcpy(page(to), page(from), pageBytes_); }

void KvStore::copyPageOf(const KvStore& other, int32_t from, int32_t to) {
  assert(other.pageBytes_ == pageBytes_);
  std::memcpy(page(to), other.page(from), pageBytes_);
}

void KvStore::clearPage(int32_t id) { std::memset(page(id), 0, pageBytes_); }

}  // namespace llmc::rt
