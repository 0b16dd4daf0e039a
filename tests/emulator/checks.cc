// Races, uninitialised reads and bounds of one block of an emulated launch.
#include "tests/emulator/checks.h"

#include <algorithm>

namespace llmc::emu {

std::string MemoryMap::describe(uint64_t address) const {
  char hex[32];
  std::snprintf(hex, sizeof hex, "0x%llx", (unsigned long long)address);
  auto next = buffers_.upper_bound(address);
  if (next == buffers_.begin()) return std::string(hex) + ", below every buffer";
  auto found = std::prev(next);
  uint64_t offset = address - found->first;
  return std::string(hex) + ", byte " + std::to_string(offset) + " of buffer '" + found->second.name + "' (" +
         std::to_string(found->second.bytes) + " bytes)";
}

void Counters::add(const Counters& other) {
  blocks += other.blocks;
  accesses += other.accesses;
  globalReadBytes += other.globalReadBytes;
  globalWriteBytes += other.globalWriteBytes;
  sharedBytes += other.sharedBytes;
  copiedBytes += other.copiedBytes;
  barriers += other.barriers;
  warpOperations += other.warpOperations;
  mmas += other.mmas;
  instructions += other.instructions;
  sharedRequests += other.sharedRequests;
  sharedWavefronts += other.sharedWavefronts;
}

void Checks::clear() {
  reports_.clear();
  reported_ = 0;
  counters_ = {};
  global_.clear();
  told_.clear();
  block_ = 0;
}

void Checks::reset(const LaunchChecks& checks, const CheckedBlocks& blocks, std::string place) {
  enabled_ = checks.checked;
  counters_.blocks += blocks.blocks;
  if (!enabled_) return;
  ++block_;
  blocks_ = blocks;
  const u32 threads = threads_ = blocks.threads;
  memory_ = checks.memory;
  place_ = std::move(place);
  cells_.assign((size_t)blocks.blocks * blocks.sharedEnd, Cell());
  clocks_.assign((size_t)threads * threads, 0);
  for (u32 i = 0; i < threads; ++i) clocks_[(size_t)i * threads + i] = 1;
  fenced_.assign((size_t)threads * threads, 0);
  published_.clear();
  deviceFenced_.clear();
  heard_.clear();
  seen_.clear();
}

bool Checks::cellOf(const u8* memory, u32* cell) const {
  const u64 offset = (u64)memory - (u64)blocks_.shared;
  if (memory < blocks_.shared || offset >= (u64)blocks_.blocks * blocks_.window) return false;
  const auto block = (u32)(offset / blocks_.window), address = (u32)(offset % blocks_.window);
  *cell = block * blocks_.sharedEnd + address;
  return address < blocks_.sharedEnd;
}

std::string Checks::threadName(u32 index) const {
  if (blocks_.blocks == 1) return "thread " + std::to_string(index);
  return "thread " + std::to_string(index % blocks_.blockThreads) + " of the cluster's block " +
         std::to_string(index / blocks_.blockThreads);
}

std::string Checks::addressName(u32 cell) const {
  if (blocks_.blocks == 1) return "shared address " + std::to_string(cell);
  return "shared address " + std::to_string(cell % blocks_.sharedEnd) + " of the cluster's block " +
         std::to_string(cell / blocks_.sharedEnd);
}

/// The later of both, of a thread's view and of one for many: into `latest` (clocks, then what is fenced), or from it.
void Checks::copyClocks(std::vector<u32>& latest, u32 thread, bool publish) {
  latest.resize((size_t)2 * threads_, 0);
  u32 *clock = &clocks_[(size_t)thread * threads_], *fenced = &fenced_[(size_t)thread * threads_];
  for (u32 i = 0; i < threads_; ++i) {
    u32 &one = publish ? latest[i] : clock[i], &two = publish ? latest[threads_ + i] : fenced[i];
    one = std::max(clock[i], latest[i]);
    two = std::max(fenced[i], latest[threads_ + i]);
  }
}

void Checks::join(const std::vector<u32>& threads) {
  if (!enabled_ || threads.empty()) return;
  std::vector<u32> latest;
  for (u32 thread : threads) copyClocks(latest, thread, true);
  for (u32 thread : threads) {
    copyClocks(latest, thread, false);
    ++clocks_[(size_t)thread * threads_ + thread];
  }
}

void Checks::release(u32 key, u32 thread) {
  if (!enabled_) return;
  copyClocks(published_[key], thread, true);
  ++clocks_[(size_t)thread * threads_ + thread];
}

void Checks::acquire(u32 key, u32 thread) {
  if (enabled_) copyClocks(published_[key], thread, false);
}

void Checks::proxyFence(u32 thread) {
  if (!enabled_) return;
  u32* clock = &clocks_[(size_t)thread * threads_];
  std::copy(clock, clock + threads_, fenced_.begin() + (ptrdiff_t)((size_t)thread * threads_));
  ++clock[thread];
}

/// What the thread knows goes out with its next atomics; what it has heard by atomics counts from here on.
void Checks::deviceFence(u32 thread) {
  if (deviceFenced_.empty()) deviceFenced_.assign((size_t)threads_ * threads_, 0);
  u32* clock = &clocks_[(size_t)thread * threads_];
  std::copy(clock, clock + threads_, deviceFenced_.begin() + (ptrdiff_t)((size_t)thread * threads_));
  for (auto& [who, told] : heard_)
    if (who == thread) seen_.push_back({thread, clock[thread], std::move(told)});
  std::erase_if(heard_, [&](const auto& one) { return one.first == thread; });
  ++clock[thread];
}

void Checks::deviceAtomic(u64 address, u32 thread) {
  std::vector<Told>& all = told_[address];
  for (const Told& told : all)
    if (told.block != block_) heard_.push_back({thread, told});
  if (deviceFenced_.empty()) return;
  const auto from = deviceFenced_.begin() + (ptrdiff_t)((size_t)thread * threads_);
  all.push_back({block_, std::vector<u32>(from, from + threads_)});
}

/// Whether what `writer` of another block did at `clock` comes before what thread `me` does now.
bool Checks::sees(u32 block, u16 writer, u32 clock, u32 me) const {
  return std::any_of(seen_.begin(), seen_.end(), [&](const Seen& seen) {
    return seen.told.block == block && seen.told.clocks[writer] >= clock && before(seen.thread, seen.clock, me);
  });
}

void Checks::asyncRead(const Thread& thread, const u8* memory, u32 bytes, u32 line) {
  if (!enabled_) return;
  u32 offset = 0;
  if (!cellOf(memory, &offset)) return;
  for (u32 i = offset; i < offset + bytes; ++i) {
    const Cell cell = cells_[i];
    if (!checkCell(cells_[i], thread, i, Access::kRead, line)) return;
    if (cell.async || fenced_[(size_t)thread.index * threads_ + cell.writer] >= cell.writeClock) continue;
    return report("no proxy fence between the write of " + addressName(i) + " by " + threadName(cell.writer) +
                      " and its use by tensor cores or copy engine",
                  thread.index, line);
  }
}

void Checks::asyncWrite(const Thread& thread, const u8* memory, u32 bytes, u32 line) {
  if (!enabled_) return;
  u32 offset = 0;
  if (!cellOf(memory, &offset)) return;
  counters_.sharedBytes += bytes;
  for (u32 i = offset; i < offset + bytes; ++i) {
    if (!checkCell(cells_[i], thread, i, Access::kWrite, line)) return;
    cells_[i].async = true;
  }
}

void Checks::report(const std::string& what, u32 thread, u32 line) {
  if (++reported_ > 8) return;
  reports_.push_back(what + " (" + place_ + ", " + threadName(thread) + ", PTX line " + std::to_string(line) + ")");
}

std::string Checks::text() const {
  std::string text;
  for (const std::string& report : reports_) text += (text.empty() ? "" : "\n") + report;
  if (reported_ > reports_.size()) text += "\nand " + std::to_string(reported_ - reports_.size()) + " more";
  return text;
}

std::string Checks::check(const Thread& thread, const u8* memory, u32 bytes, Access kind, u32 line) {
  if (bytes == 0) {
    deviceFence(thread.index);
    return {};
  }
  ++counters_.accesses;
  u32 cell = 0;
  if (!cellOf(memory, &cell)) return checkGlobal(thread, memory, bytes, kind, line);
  checkShared(thread, cell, bytes, kind, line);
  return {};
}

void Checks::checkShared(const Thread& thread, u32 offset, u32 bytes, Access kind, u32 line) {
  counters_.sharedBytes += bytes;
  if (kind == Access::kAtomic) return;  // atomics order themselves
  banks_.access(thread, offset % blocks_.sharedEnd, bytes, line);
  for (u32 i = 0; i < bytes && offset + i < cells_.size(); ++i)
    if (!checkCell(cells_[offset + i], thread, offset + i, kind, line)) return;
}

/// False after a report: the neighbouring bytes would only repeat it.
bool Checks::checkCell(Cell& cell, const Thread& thread, u32 offset, Access kind, u32 line) {
  const u32 me = thread.index;
  const u32 now = clocks_[(size_t)me * threads_ + me];
  auto where = [&] { return " of " + addressName(offset); };
  bool write = kind == Access::kWrite, fine = true;
  if (!write && cell.writer == kNobody) {
    report("read" + where() + ", which nobody has written", me, line);
    cell.writer = (u16)me;
    cell.writeClock = now;
    return false;
  }
  if (cell.writer != kNobody && cell.writer != me && !before(cell.writer, cell.writeClock, me)) {
    report(std::string("race: ") + (write ? "write" : "read") + where() + " after an unordered write by " +
               threadName(cell.writer),
           me, line);
    fine = false;
  }
  for (u32 k = 0; write && fine && k < cell.readers; ++k) {
    if (cell.reader[k] == me || before(cell.reader[k], cell.readClock[k], me)) continue;
    report("race: write" + where() + " after an unordered read by " + threadName(cell.reader[k]), me, line);
    fine = false;
  }
  if (write || !fine) {
    cell.writer = (u16)me;
    cell.writeClock = now;
    cell.readers = 0;
    cell.async = false;
    return fine;
  }
  u32 slot = 0;
  while (slot < cell.readers && cell.reader[slot] != me && !before(cell.reader[slot], cell.readClock[slot], me)) ++slot;
  if (slot == cell.readers) {
    if (cell.readers < 2)
      ++cell.readers;
    else
      slot = (offset ^ me) & 1;
  }
  cell.reader[slot] = (u16)me;
  cell.readClock[slot] = now;
  return true;
}

std::string Checks::checkGlobal(const Thread& thread, const u8* memory, u32 bytes, Access kind, u32 line) {
  (kind == Access::kRead ? counters_.globalReadBytes : counters_.globalWriteBytes) += bytes;
  if (!memory_) return {};
  const MemoryMap::Buffer* buffer = memory_->find((uint64_t)memory, bytes);
  if (!buffer && globals_) buffer = globals_->find((uint64_t)memory, bytes);
  const char* what = kind == Access::kRead ? "read" : "write";
  if (!buffer)
    return std::string(what) + " of " + std::to_string(bytes) +
           " bytes outside every buffer: " + memory_->describe((uint64_t)memory);
  if (kind != Access::kRead && !buffer->writable)
    report("write to the read-only buffer '" + buffer->name + "'", thread.index, line);
  else if (thread.early && !buffer->constant)
    report(std::string(what) + " of buffer '" + buffer->name + "' before griddepcontrol.wait", thread.index, line);
  if (!buffer->writable) return {};
  if (kind == Access::kAtomic) {
    deviceAtomic((u64)memory, thread.index);
    return {};
  }
  for (u32 i = 0; i < bytes; i += GlobalShadow::kGrain)
    if (!checkGlobalCell(global_.at((u64)memory + i), thread, (u64)memory + i, kind, line)) return {};
  return {};
}

/// Blocks may run in any order but where fences and atomics tell one of another; threads of one block are ordered by
/// its barriers.
bool Checks::checkGlobalCell(GlobalCell& cell, const Thread& thread, u64 address, Access kind, u32 line) {
  const u32 me = thread.index, now = clocks_[(size_t)me * threads_ + me];
  auto unordered = [&](u32 block, u16 other, u32 clock) {
    if (block == 0 || (block == block_ && other == me)) return false;
    return block == block_ ? !before(other, clock, me) : !sees(block, other, clock, me);
  };
  const bool write = kind == Access::kWrite;
  const bool afterWrite = unordered(cell.writerBlock, cell.writer, cell.writeClock);
  const bool afterRead = write && unordered(cell.readerBlock, cell.reader, cell.readClock);
  if (afterWrite || afterRead) {
    const u32 block = afterWrite ? cell.writerBlock : cell.readerBlock;
    report(std::string("race: ") + (write ? "write" : "read") + " of device memory after an unordered " +
               (afterWrite ? "write" : "read") + " by thread " +
               std::to_string(afterWrite ? cell.writer : cell.reader) + (block == block_ ? "" : " of another block") +
               ": " + memory_->describe(address),
           me, line);
  }
  if (write) {
    cell.writerBlock = block_, cell.writer = (u16)me, cell.writeClock = now;
    cell.readerBlock = 0;
  } else {
    cell.readerBlock = block_, cell.reader = (u16)me, cell.readClock = now;
  }
  return !afterWrite && !afterRead;
}

void Checks::finish(u64 instructions) {
  if (!enabled_) return;
  counters_.instructions += instructions;
  banks_.finish();
  counters_.sharedRequests += banks_.requests();
  counters_.sharedWavefronts += banks_.wavefronts();
  banks_.clear();
}

}  // namespace llmc::emu
