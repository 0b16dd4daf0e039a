// A walk of one phase in which each worker populates a huge page.
#include "runtime/kv/memory_ahead.h"

#include <algorithm>

#include "runtime/device/memory.h"

namespace llmc::rt {

MemoryAhead::MemoryAhead(WorkerPool& pool, std::span<uint8_t> workspace, const KvStore& kv, uint64_t ahead)
    : pool_(pool),
      workspace_(workspace),
      kv_(kv.base(), kv.onDevice() ? 0 : uint64_t{kv.pages()} * kv.pageBytes()),
      pageBytes_(kv.pageBytes()),
      ahead_(ahead),
      self_(reinterpret_cast<uint64_t>(this)),
      call_{work, &self_} {}

int32_t MemoryAhead::work(const uint64_t* args, uint32_t worker, uint32_t workers) {
  const std::span<uint8_t> all = reinterpret_cast<MemoryAhead*>(args[0])->now_;
  for (uint64_t at = worker * kHugePageBytes; at < all.size(); at += workers * kHugePageBytes)
    populate(all.data() + at, std::min(all.size() - at, kHugePageBytes));
  return 0;
}

void MemoryAhead::populateNext(std::span<uint8_t> all, uint64_t& done) {
  now_ = all.subspan(done, std::min(all.size() - done, pool_.workers() * kHugePageBytes));
  // work() returns 0 always.
  (void)pool_.run({std::span(&call_, 1), std::span(&phaseEnd_, 1), /*elastic=*/true});
  done += now_.size();
}

bool MemoryAhead::advance() {
  if (workspaceDone_ < workspace_.size()) {
    populateNext(workspace_, workspaceDone_);
    return true;
  }
  if (kvDone_ >= std::min<uint64_t>(kv_.size(), ahead_)) return false;
  populateNext(kv_, kvDone_);
  return true;
}

void MemoryAhead::reach(uint32_t pages) {
  const uint64_t wanted = std::min<uint64_t>(kv_.size(), pages * pageBytes_);
  while (kvDone_ < wanted) populateNext(kv_, kvDone_);
}

}  // namespace llmc::rt
