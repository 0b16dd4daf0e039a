// The checked build's view of a block: vector clocks for races, shared bytes never written, bounds of buffers,
// counters.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "tests/emulator/bank_counter.h"
#include "tests/emulator/device/thread.h"
#include "tests/emulator/global_shadow.h"
#include "tests/emulator/launch.h"

namespace llmc::emu {

/// What a block, or a cluster of blocks that run at once, is to the checks.
struct CheckedBlocks {
  u32 threads, blockThreads, blocks;  ///< of all; of each
  u32 window;                         ///< bytes from one block's shared memory to the next one's
  u32 sharedEnd;                      ///< of each
  const u8* shared;                   ///< host address of address 0 of the first one
};

class Checks {
 public:
  /// Starts a block, or a cluster.
  void reset(const LaunchChecks& checks, const CheckedBlocks& blocks, std::string place);

  /// Variables of the module that runs, beside LaunchChecks::memory.
  void setGlobals(const MemoryMap* globals) { globals_ = globals; }

  /// An atomic access of no bytes is a fence of device scope. What is wrong with one that must not happen, because it
  /// would change memory of the process that nobody gave to the kernel; otherwise empty.
  std::string access(const Thread& thread, const void* memory, u32 bytes, Access kind, u32 line) {
    return enabled_ ? check(thread, (const u8*)memory, bytes, kind, line) : std::string();
  }
  /// As access(), by copy engine or tensor cores on behalf of a thread. What they read others must have written before
  /// a proxy fence.
  void asyncRead(const Thread& thread, const u8* memory, u32 bytes, u32 line);
  void asyncWrite(const Thread& thread, const u8* memory, u32 bytes, u32 line);
  /// A proxy fence: copy engine and tensor cores may read what this thread knows to be written.
  void proxyFence(u32 thread);
  /// All threads of the list have met: what they did before happens before what any of them does next.
  void join(const std::vector<u32>& threads);
  /// A thread publishes what it did under a key (an mbarrier's place) ...
  void release(u32 key, u32 thread);
  /// ... and another one sees it.
  void acquire(u32 key, u32 thread);
  void report(const std::string& what, u32 thread, u32 line);
  /// Reports so far, one a line; empty if there are none.
  std::string text() const;
  bool enabled() const { return enabled_; }
  Counters& counters() { return counters_; }
  /// The block has ended; `instructions` its threads executed.
  void finish(u64 instructions);
  /// A launch begins: forgets reports, counts, and what was known of device memory.
  void clear();

 private:
  /// Of one byte of shared memory of a block: its last writer and the last two readers, with their clocks.
  struct Cell {
    u16 writer = kNobody;
    u8 readers = 0;
    bool async = false;  ///< written by the copy engine
    u32 writeClock = 0;
    u16 reader[2] = {};
    u32 readClock[2] = {};
  };
  static constexpr u16 kNobody = 0xffff;

  std::string check(const Thread& thread, const u8* memory, u32 bytes, Access kind, u32 line);
  void checkShared(const Thread& thread, u32 offset, u32 bytes, Access kind, u32 line);
  bool checkCell(Cell& cell, const Thread& thread, u32 offset, Access kind, u32 line);
  void copyClocks(std::vector<u32>& latest, u32 thread, bool publish);
  std::string checkGlobal(const Thread& thread, const u8* memory, u32 bytes, Access kind, u32 line);
  bool checkGlobalCell(GlobalCell& cell, const Thread& thread, u64 address, Access kind, u32 line);
  bool before(u32 other, u32 clock, u32 me) const { return clocks_[(size_t)me * threads_ + other] >= clock; }
  void deviceFence(u32 thread);
  void deviceAtomic(u64 address, u32 thread);
  bool sees(u32 block, u16 writer, u32 clock, u32 me) const;

  /// Number of the cell of a byte in shared memory; those of no block's memory have none.
  bool cellOf(const u8* memory, u32* cell) const;
  /// "thread 3", in a cluster "thread 3 of block 1"; the address of a cell likewise.
  std::string threadName(u32 index) const;
  std::string addressName(u32 cell) const;

  bool enabled_ = false;
  u32 threads_ = 0;
  CheckedBlocks blocks_ = {};
  const MemoryMap* memory_ = nullptr;
  std::string place_;
  std::vector<Cell> cells_;
  std::vector<u32> clocks_;  ///< threads_ x threads_
  std::vector<u32> fenced_;  ///< the same: how much of it proxy fences have made known
  std::unordered_map<u32, std::vector<u32>> published_;
  BankCounter banks_;
  GlobalShadow global_;
  u32 block_ = 0;  ///< number of the block, from 1
  const MemoryMap* globals_ = nullptr;

  // Blocks that tell each other by atomics: fence, atomic there, atomic here, fence.
  /// What a block had fenced when it did an atomic: the clocks of its threads.
  struct Told {
    u32 block;
    std::vector<u32> clocks;
  };
  std::unordered_map<u64, std::vector<Told>> told_;  ///< by the atomic's address, of this launch
  std::vector<u32> deviceFenced_;            ///< threads_ x threads_: clocks at the last fence; empty before the first
  std::vector<std::pair<u32, Told>> heard_;  ///< (thread, what it met) since that thread's last fence
  /// Of another block: what this one may rely on once it comes after a fence of `thread`.
  struct Seen {
    u32 thread, clock;
    Told told;
  };
  std::vector<Seen> seen_;
  std::vector<std::string> reports_;
  uint64_t reported_ = 0;
  Counters counters_;
};

}  // namespace llmc::emu
