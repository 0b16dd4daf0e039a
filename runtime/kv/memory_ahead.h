// Has the kernel find memory before steps want it, with all workers at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/device/worker_pool.h"
#include "runtime/kv/kv_store.h"

namespace llmc::rt {

/// The first use of a huge page clears it, which takes 0.2 to 5 ms; inside a step all other workers wait for the one
/// that meets it. Here each worker clears one: before anything runs the workspace and the first `ahead` bytes of KV
/// pages, later the pages that sequences come to. What they hold stays. Used between steps by the thread that owns
/// `pool`.
class MemoryAhead {
 public:
  /// Bytes of KV pages that a server has before it is ready.
  static constexpr uint64_t kServing = uint64_t{128} << 20;
  /// `ahead` of a server with a pool of `poolBytes`: the rest of it is made ready while nobody asks for anything. More
  /// would be memory that an idle one holds.
  static constexpr uint64_t ahead(uint64_t poolBytes) {
    return std::clamp<uint64_t>(poolBytes / 8, kServing, uint64_t{512} << 20);
  }

  /// What is given must outlive it. KV pages of a device are left alone.
  MemoryAhead(WorkerPool& pool, std::span<uint8_t> workspace, const KvStore& kv, uint64_t ahead);
  MemoryAhead(const MemoryAhead&) = delete;
  MemoryAhead& operator=(const MemoryAhead&) = delete;

  /// One huge page a worker. False: nothing was left to do.
  bool advance();
  /// Before a step: it writes KV page `page`.
  void want(uint32_t page);
  /// What was wanted since, and with it the next ones that are not ready, one huge page a worker: who finds none to
  /// clear would only wait for those who do. Nothing while all that was wanted and all below page `held`, which
  /// sequences have, is ready: a prompt holds all its pages from its first step on, and nobody should wait for them at
  /// once. The scheduler knows that number; the store's own pool is not the one that it takes them from.
  /// True: some were made ready.
  bool reach(uint32_t held);
  /// Bytes of KV pages that are ready.
  uint64_t kvReady() const;

 private:
  static int32_t work(const uint64_t* args, uint32_t worker, uint32_t workers, std::atomic<uint32_t>*);
  /// Adds huge page `index` of the KV pages to what the workers do next, unless it is ready; does that when each has
  /// one.
  void take(uint64_t index);
  /// Whether a huge page that begins below `end` bytes is not ready.
  bool lacks(uint64_t end);
  /// The first huge pages that are not ready and begin below `end` bytes, until each worker has one. False: none is.
  bool takeNext(uint64_t end);
  void populateTaken();

  WorkerPool& pool_;
  const std::span<uint8_t> workspace_;
  const std::span<uint8_t> kv_;  ///< empty on a device
  const uint64_t pageBytes_, ahead_;
  uint64_t workspaceDone_ = 0;             ///< bytes from the start
  std::vector<bool> ready_;                ///< [huge page of kv_]
  uint64_t next_ = 0;                      ///< huge pages below it are ready
  std::vector<std::span<uint8_t>> taken_;  ///< at most one a worker
  bool wanted_ = false;                    ///< want() took something since reach()
  uint64_t self_;                          ///< argument of `work`
  KernelCall call_;
  uint32_t phaseEnd_ = 1;
};

}  // namespace llmc::rt
