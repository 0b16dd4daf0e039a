// What a launch of an emulated kernel is given, how it is checked, and what it reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace llmc::emu {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return (uint64_t)x * y * z; }
};

/// In which order the threads of a block run between two meeting points.
enum class ThreadOrder : uint8_t { kAscending, kDescending, kRandom };

/// Device memory that kernels may touch, by address. Thread-safe only while nobody changes it.
class MemoryMap {
 public:
  struct Buffer {
    uint64_t bytes;
    std::string name;
    bool writable;
    bool constant;  ///< no kernel writes it: it may be read before the kernel before has ended
  };
  void add(const void* address, uint64_t bytes, std::string name, bool writable = true, bool constant = false) {
    buffers_[(uint64_t)address] = {bytes, std::move(name), writable, constant};
  }
  void remove(const void* address) { buffers_.erase((uint64_t)address); }
  /// The buffer that holds the whole range, or null.
  const Buffer* find(uint64_t address, uint64_t bytes) const {
    auto next = buffers_.upper_bound(address);
    if (next == buffers_.begin()) return nullptr;
    auto found = std::prev(next);
    return address + bytes <= found->first + found->second.bytes ? &found->second : nullptr;
  }
  /// "12 bytes behind buffer kv (4096 bytes)": where an address lies that is in no buffer.
  std::string describe(uint64_t address) const;

 private:
  std::map<uint64_t, Buffer> buffers_;
};

/// What kernels did, summed over blocks; only counted in the checked build.
struct Counters {
  uint64_t blocks = 0, accesses = 0;
  uint64_t globalReadBytes = 0, globalWriteBytes = 0, sharedBytes = 0, copiedBytes = 0;
  uint64_t barriers = 0, warpOperations = 0, mmas = 0;
  uint64_t instructions = 0;      ///< PTX instructions, of all threads
  uint64_t sharedRequests = 0;    ///< parts of warps' shared accesses, each served at once if it can be
  uint64_t sharedWavefronts = 0;  ///< passes that they need; more than requests means bank conflicts
  void add(const Counters& other);
};

struct LaunchChecks {
  ThreadOrder order = ThreadOrder::kAscending;
  uint64_t seed = 1;
  bool poisonShared = true;           ///< shared memory starts as NaN
  bool lateCopies = true;             ///< asynchronous copies land as late as the waits allow
  bool early = false;                 ///< as if launched before the kernel before it has ended
  bool checked = false;               ///< races, bounds, values never written; slower
  const MemoryMap* memory = nullptr;  ///< for `checked`: without it global addresses are not checked
  unsigned osThreads = 1;             ///< blocks run on so many OS threads; a checked launch always runs on one
  uint32_t sharedLimit = 227u << 10;
  Counters* counters = nullptr;
  uint32_t variant = 0;  ///< what the kernel reads as %emu_variant
};

}  // namespace llmc::emu
