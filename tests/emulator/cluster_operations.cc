// Clusters of the emulator: blocks that run at once, what one does in the shared memory of another, their barrier.
#include <cstring>

#include "tests/emulator/block.h"

namespace llmc::emu {
namespace {

/// An address of another block's shared memory has its rank, from 1, above the address; without one it is the own
/// block's, as on the device.
constexpr u32 kRankShift = 24, kAddressMask = (1u << kRankShift) - 1;
/// Key of the cluster's barrier to the checks; that of a phase and the next differ.
constexpr u32 kClusterKey = 0x80000000u;

}  // namespace

/// A block of the cluster that has not ended: its shared memory is there as long as one of its threads is.
u32 Block::livingBlock(Fibre& self, u32 rank, u32 line) {
  if (rank >= members_.size())
    fault(self, "block " + std::to_string(rank) + " of a cluster of " + std::to_string(members_.size()), line);
  if (members_[rank].live == 0) fault(self, "block " + std::to_string(rank) + " of the cluster has ended", line);
  return rank;
}

/// mapa
u32 Block::clusterAddress(Fibre& self, u32 address, u32 rank, u32 line) {
  if (rank >= members_.size())
    fault(self, "block " + std::to_string(rank) + " of a cluster of " + std::to_string(members_.size()), line);
  return (rank + 1) << kRankShift | (address & kAddressMask);
}

/// An arrival at a barrier of any block of the cluster: who arrives must know it to be initialized.
u64 Block::clusterArrive(Fibre& self, u32 barrier, u32 count, u32 transactions, u32 line) {
  const u32 above = barrier >> kRankShift, address = barrier & kAddressMask;
  const u32 rank = livingBlock(self, above ? above - 1 : self.clusterRank, line);
  sharedAt(self, address, 8, line);
  const u32 place = placeIn(rank, address);
  checks_.access(self, shared_.get() + place, 8, Access::kRead, line);
  checks_.release(place, self.index);
  mbarrierUpdate(place, -(s32)count, (s32)transactions, line);
  return 0;  // the state of another block's barrier is nobody's to know
}

/// barrier.cluster.arrive and .wait: all threads of the cluster that have not ended take part.
void Block::clusterBarrier(Fibre& self, bool wait, bool orders, u32 line) {
  self.barrierLine = line;
  if (!wait) {
    if (self.arrived) fault(self, "arrives at the cluster's barrier again before it has waited", line);
    self.arrived = true;
    self.clusterPhase = clusterPhase_;
    ++arrived_;
    if (orders) checks_.release(kClusterKey + clusterPhase_ % 2, self.index);
    return tryReleaseCluster();
  }
  const bool passed = self.clusterPhase != clusterPhase_;
  if (!self.arrived && !passed) fault(self, "waits at the cluster's barrier and has not arrived", line);
  if (!passed) {
    self.state = FibreState::kCluster;
    switchAway(self);
  }
  checks_.acquire(kClusterKey + self.clusterPhase % 2, self.index);
  self.clusterPhase = clusterPhase_;
}

void Block::tryReleaseCluster() {
  if (arrived_ == 0 || arrived_ != live_) return;
  ++checks_.counters().barriers;
  ++clusterPhase_;
  arrived_ = 0;
  std::vector<Fibre*> waiting;
  for (u32 i = 0; i < threads_; ++i) {
    fibres_[i].arrived = false;
    if (fibres_[i].state == FibreState::kCluster) waiting.push_back(&fibres_[i]);
  }
  wake(waiting);
}

/// One read of memory that arrives at the same place in each block of the mask and counts at the barrier of each.
void Block::bulkMulticast(Fibre& self, u32 destination, u64 source, u32 bytes, u32 barrier, u32 blocks, u32 line) {
  if ((destination | source | bytes) % 16) fault(self, "cp.async.bulk of a misaligned address or size", line);
  if (blocks == 0) fault(self, "a multicast to no block", line);
  sharedAt(self, destination, bytes, line);
  sharedAt(self, barrier, 8, line);
  access(self, reinterpret_cast<const void*>(source), bytes, Access::kRead, line);
  checks_.counters().copiedBytes += bytes;
  for (u32 rank = 0; blocks >> rank; ++rank) {
    if (!(blocks >> rank & 1)) continue;
    livingBlock(self, rank, line);
    const BulkRequest request{
        placeIn(rank, destination), placeIn(rank, barrier), bytes, line, self.index, 0, source, false, {}};
    checks_.asyncRead(self, shared_.get() + request.barrier, 8, line);
    checks_.asyncWrite(self, shared_.get() + request.destination, bytes, line);
    if (!plan_->checks.lateCopies) {
      landBulk(request);
      continue;
    }
    std::memset(shared_.get() + request.destination, 0xff, bytes);
    bulk_.push_back(request);
  }
}

}  // namespace llmc::emu
