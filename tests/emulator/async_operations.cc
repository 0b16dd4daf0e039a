// Asynchronous copies and mbarriers of the emulator: with late copies each lands when a wait demands it, not before.
#include <cstring>

#include "tests/emulator/block.h"
#include "tests/emulator/tensor_map.h"

namespace llmc::emu {

void Block::land(Fibre& self, const CopyRequest& request) {
  u8* target = shared_.get() + placeOf(self, request.destination);
  if (request.sourceBytes) std::memcpy(target, reinterpret_cast<const void*>(request.source), request.sourceBytes);
  std::memset(target + request.sourceBytes, 0, request.bytes - request.sourceBytes);
  checks_.access(self, target, request.bytes, Access::kWrite, request.line);
}

void Block::copyAsync(Fibre& self, const CopyRequest& request) {
  if (request.bytes != 4 && request.bytes != 8 && request.bytes != 16)
    fault(self, "cp.async of " + std::to_string(request.bytes) + " bytes", request.line);
  if (request.sourceBytes > request.bytes) fault(self, "cp.async reads more than it writes", request.line);
  if (request.destination % request.bytes || (request.sourceBytes && request.source % request.bytes))
    fault(self, "cp.async of a misaligned address", request.line);
  u8* target = sharedAt(self, request.destination, request.bytes, request.line);
  checks_.counters().copiedBytes += request.sourceBytes;
  if (request.sourceBytes)
    access(self, reinterpret_cast<const void*>(request.source), request.sourceBytes, Access::kRead, request.line);
  if (!plan_->checks.lateCopies) return land(self, request);
  checks_.access(self, target, request.bytes, Access::kWrite, request.line);
  std::memset(target, 0xff, request.bytes);
  self.copies.push_back(request);
}

void Block::copyCommit(Fibre& self) { self.groups.push_back((uint32_t)self.copies.size()); }

void Block::copyWait(Fibre& self, u32 pendingGroups) {
  if (self.groups.size() <= pendingGroups) return;
  const size_t done = self.groups.size() - pendingGroups;
  const uint32_t landed = self.groups[done - 1];
  for (uint32_t i = 0; i < landed; ++i) land(self, self.copies[i]);
  self.copies.erase(self.copies.begin(), self.copies.begin() + landed);
  self.groups.erase(self.groups.begin(), self.groups.begin() + (ptrdiff_t)done);
  for (uint32_t& end : self.groups) end -= landed;
}

/// The mbarrier is arrived at when this thread's copies so far have landed; here they land at once.
void Block::copyArrive(Fibre& self, u32 barrier, bool increment, u32 line) {
  for (const CopyRequest& request : self.copies) land(self, request);
  self.copies.clear();
  for (uint32_t& end : self.groups) end = 0;
  const u32 place = placeOf(self, barrier);
  checks_.release(place, self.index);
  if (increment) mbarrierUpdate(place, 1, 0, line);
  mbarrierUpdate(place, -1, 0, line);
}

namespace {

/// An mbarrier's 64 bits: phase 1, pending arrivals 20, expected arrivals 20, pending bytes 23 with a sign.
struct MbarrierWord {
  u64 bits;
  u32 phase() const { return (u32)(bits & 1); }
  s32 pending() const { return (s32)(bits >> 1 & 0xfffff); }
  s32 expected() const { return (s32)(bits >> 21 & 0xfffff); }
  s32 transactions() const { return (s32)((s64)bits >> 41); }
  static MbarrierWord make(u32 phase, s32 pending, s32 expected, s32 transactions) {
    return {(u64)(phase & 1) | (u64)pending << 1 | (u64)expected << 21 | (u64)transactions << 41};
  }
};

}  // namespace

void Block::mbarrierInit(Fibre& self, u32 barrier, u32 count, u32 line) {
  if (barrier % 8) fault(self, "mbarrier at a misaligned address", line);
  if (count == 0 || count > 0xfffff) fault(self, "mbarrier for " + std::to_string(count) + " arrivals", line);
  MbarrierWord word = MbarrierWord::make(0, (s32)count, (s32)count, 0);
  u8* place = sharedAt(self, barrier, 8, line);
  checks_.access(self, place, 8, Access::kWrite, line);
  std::memcpy(place, &word, 8);
}

void Block::mbarrierUpdate(u32 place, s32 arrivals, s32 transactions, u32 line) {
  MbarrierWord word;
  std::memcpy(&word, shared_.get() + place, 8);
  const s32 pending = word.pending() + arrivals, bytes = word.transactions() + transactions;
  if (pending < 0)
    return fail("more arrivals at an mbarrier than its " + std::to_string(word.expected()), line,
                place / kSharedWindow);
  if (pending != 0 || bytes != 0) {
    word = MbarrierWord::make(word.phase(), pending, word.expected(), bytes);
    std::memcpy(shared_.get() + place, &word, 8);
    return;
  }
  word = MbarrierWord::make(word.phase() ^ 1, word.expected(), word.expected(), 0);
  std::memcpy(shared_.get() + place, &word, 8);
  std::vector<Fibre*> waiting;
  for (u32 i = 0; i < threads_; ++i)
    if (fibres_[i].state == FibreState::kMbarrier && fibres_[i].barrier == place && fibres_[i].phase != word.phase())
      waiting.push_back(&fibres_[i]);
  wake(waiting);
}

u64 Block::mbarrierArrive(Fibre& self, u32 barrier, u32 count, u32 transactions, u32 line) {
  MbarrierWord word;
  std::memcpy(&word, sharedAt(self, barrier, 8, line), 8);
  const u32 place = placeOf(self, barrier);
  checks_.release(place, self.index);
  mbarrierUpdate(place, -(s32)count, (s32)transactions, line);
  return word.phase();
}

void Block::mbarrierExpect(Fibre& self, u32 barrier, u32 transactions, u32 line) {
  sharedAt(self, barrier, 8, line);
  mbarrierUpdate(placeOf(self, barrier), 0, (s32)transactions, line);
}

u32 Block::mbarrierWait(Fibre& self, u32 barrier, u32 phase, bool mayBlock, u32 line) {
  const u8* memory = sharedAt(self, barrier, 8, line);
  auto waiting = [&] {
    MbarrierWord word;
    std::memcpy(&word, memory, 8);
    return word.phase() == (phase & 1);
  };
  if (!mayBlock && waiting()) {
    pause(self);
    if (waiting()) return 0;
  }
  while (waiting()) {
    self.state = FibreState::kMbarrier;
    self.barrier = placeOf(self, barrier);
    self.barrierLine = line;
    self.phase = phase & 1;
    switchAway(self);
  }
  checks_.acquire(placeOf(self, barrier), self.index);
  return 1;
}

void Block::bulkCopy(Fibre& self, u32 destination, u64 source, u32 bytes, u32 barrier, u32 line) {
  checks_.asyncRead(self, shared_.get() + placeOf(self, barrier), 8, line);
  if ((destination | source | bytes) % 16) fault(self, "cp.async.bulk of a misaligned address or size", line);
  u8* target = sharedAt(self, destination, bytes, line);
  access(self, reinterpret_cast<const void*>(source), bytes, Access::kRead, line);
  checks_.asyncWrite(self, target, bytes, line);
  checks_.counters().copiedBytes += bytes;
  BulkRequest request{
      placeOf(self, destination), placeOf(self, barrier), bytes, line, self.index, 0, source, false, {}};
  if (!plan_->checks.lateCopies) return landBulk(request);
  std::memset(target, 0xff, bytes);
  bulk_.push_back(request);
}

void Block::bulkTensor(Fibre& self, u32 destination, u64 map, const s32* coordinates, u32 rank, u32 barrier, u32 line) {
  const auto* tensor = reinterpret_cast<const TensorMap*>(map);
  if (tensor->rank != rank) fault(self, "tensor map of rank " + std::to_string(tensor->rank), line);
  const u32 bytes = tensor->boxBytes();
  if (destination % (tensor->swizzle ? 1024 : 128)) fault(self, "misaligned destination of a tensor copy", line);
  u8* target = sharedAt(self, destination, bytes, line);
  checks_.asyncWrite(self, target, bytes, line);
  checks_.counters().copiedBytes += bytes;
  BulkRequest request{placeOf(self, destination), placeOf(self, barrier), bytes, line, self.index, rank, map, true, {}};
  std::memcpy(request.coordinates, coordinates, rank * sizeof(s32));
  if (!plan_->checks.lateCopies) return landBulk(request);
  std::memset(target, 0xff, bytes);
  bulk_.push_back(request);
}

void Block::landBulk(const BulkRequest& request) {
  u8* window = shared_.get();
  if (request.tensor)
    reinterpret_cast<const TensorMap*>(request.source)->copyBox(window, request.destination, request.coordinates);
  else
    std::memcpy(window + request.destination, reinterpret_cast<const void*>(request.source), request.bytes);
  checks_.release(request.barrier, request.thread);
  mbarrierUpdate(request.barrier, 0, -(s32)request.bytes, request.line);
}

}  // namespace llmc::emu
