// A walk of one phase in which each worker populates a huge page.
#include "runtime/kv/memory_ahead.h"

#include <algorithm>
#include <utility>

#include "runtime/device/memory.h"

namespace llmc::rt {
namespace {

constexpr uint64_t hugePagesOf(uint64_t bytes) { return (bytes + kHugePageBytes - 1) / kHugePageBytes; }

}  // namespace

MemoryAhead::MemoryAhead(WorkerPool& pool, std::span<uint8_t> workspace, const KvStore& kv, uint64_t ahead)
    : pool_(pool),
      workspace_(workspace),
      kv_(kv.base(), kv.onDevice() ? 0 : uint64_t{kv.pages()} * kv.pageBytes()),
      pageBytes_(kv.pageBytes()),
      ahead_(ahead),
      ready_(hugePagesOf(kv_.size())),
      self_(reinterpret_cast<uint64_t>(this)),
      call_{work, &self_} {
  taken_.reserve(pool.workers());
}

int32_t MemoryAhead::work(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*) {
  const auto& taken = reinterpret_cast<MemoryAhead*>(args[0])->taken_;
  for (size_t i = worker; i < taken.size(); i += workers) populate(taken[i].data(), taken[i].size());
  return 0;
}

void MemoryAhead::populateTaken() {
  if (taken_.empty()) return;
  // work() returns 0 always.
  (void)pool_.run({std::span(&call_, 1), std::span(&phaseEnd_, 1), /*elastic=*/true});
  taken_.clear();
}

void MemoryAhead::take(uint64_t index) {
  if (ready_[index]) return;
  ready_[index] = true;
  const uint64_t at = index * kHugePageBytes;
  taken_.push_back(kv_.subspan(at, std::min(kv_.size() - at, kHugePageBytes)));
  if (taken_.size() == pool_.workers()) populateTaken();
}

bool MemoryAhead::lacks(uint64_t end) {
  const uint64_t pages = hugePagesOf(std::min<uint64_t>(end, kv_.size()));
  while (next_ < pages && ready_[next_]) ++next_;
  return next_ < pages;
}

bool MemoryAhead::takeNext(uint64_t end) {
  while (lacks(end)) {
    take(next_);
    if (taken_.empty()) return true;
  }
  const bool some = !taken_.empty();
  populateTaken();
  return some;
}

bool MemoryAhead::advance() {
  if (workspaceDone_ == workspace_.size()) return takeNext(ahead_);
  while (workspaceDone_ < workspace_.size() && taken_.size() < pool_.workers()) {
    taken_.push_back(workspace_.subspan(workspaceDone_, std::min(workspace_.size() - workspaceDone_, kHugePageBytes)));
    workspaceDone_ += taken_.back().size();
  }
  populateTaken();
  return true;
}

void MemoryAhead::want(uint32_t page) {
  if (kv_.empty()) return;
  const uint64_t begin = page * pageBytes_;
  for (uint64_t index = begin / kHugePageBytes; index < hugePagesOf(begin + pageBytes_); ++index) {
    wanted_ |= !ready_[index];
    take(index);
  }
}

bool MemoryAhead::reach(uint32_t held) {
  // Pages are handed out from the first on, so those behind `held` are what comes next.
  const bool wanted = std::exchange(wanted_, false);
  if (taken_.empty() && !lacks(held * pageBytes_)) return wanted;
  (void)takeNext(kv_.size());
  return true;
}

uint64_t MemoryAhead::kvReady() const {
  uint64_t bytes = 0;
  for (uint64_t index = 0; index < ready_.size(); ++index)
    if (ready_[index]) bytes += std::min(kv_.size() - index * kHugePageBytes, kHugePageBytes);
  return bytes;
}

}  // namespace llmc::rt
