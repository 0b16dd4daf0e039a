// Maps the pages and copies one for copy-on-write.
#include "runtime/kv/kv_store.h"

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

void KvStore::copyPage(int32_t from, int32_t to) {
  std::memcpy(base() + static_cast<uint64_t>(to) * pageBytes_, base() + static_cast<uint64_t>(from) * pageBytes_,
              pageBytes_);
}

}  // namespace llmc::rt
