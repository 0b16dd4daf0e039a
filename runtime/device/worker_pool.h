// Persistent pinned workers that walk a list of phases together: the only threads that run generated code.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/phase_barrier.h"

namespace llmc::rt {

/// One launch with its arguments resolved: what a worker calls.
struct KernelCall {
  int32_t (*function)(const uint64_t* args, uint32_t worker, uint32_t workers) = nullptr;  ///< KernelFn
  const uint64_t* args = nullptr;                                                          ///< absolute addresses
};

/// A step's work in order. Phase p runs calls [phaseEnds[p-1], phaseEnds[p]); all workers meet at its end.
struct Walk {
  std::span<const KernelCall> calls;
  std::span<const uint32_t> phaseEnds;
};

/// When things happened in one walk, on the TSC. Filled by run(): each worker writes its own rows, so that they do not
/// meet. Of a walk in which a kernel failed the rest is 0.
struct WalkTimes {
  uint64_t begin = 0, end = 0;                ///< of run(), seen by its caller
  std::vector<std::vector<uint64_t>> starts;  ///< [worker][call] the kernel was entered
  std::vector<std::vector<uint64_t>> ends;    ///< [worker][call] and left
  std::vector<std::vector<uint64_t>> opens;   ///< [worker][phase] the barrier let the worker go; of the last one: end
};

struct PoolOptions {
  int threads = 0;  ///< workers, the caller included; 0: one a physical core this process may use
  bool pin = true;  ///< bind each worker to a CPU (not when there are more workers than CPUs)
  /// At a barrier, before sleeping. Longer than it takes to wake a sleeper on a CPU that another process has taken:
  /// else each worker that comes late sends the others to sleep, and their waking makes them late in turn. Workers
  /// without a CPU of their own spin a tenth of it: they keep the one who works from working.
  uint64_t spinNanoseconds = 300'000;
  uint64_t idleNanoseconds = 100'000;  ///< between walks, before sleeping: covers sampling between two tokens
};

/// A fixed set of workers. The thread that creates the pool is worker 0 and the only one that may call run(); it is
/// pinned, and has the workers' short time slices, as long as the pool lives. Idle workers use no CPU time.
class WorkerPool {
 public:
  /// Error RT_THREADS (69) when the system refuses a thread, (64) when `threads` is out of range.
  static Result<std::unique_ptr<WorkerPool>> create(const PoolOptions& options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  uint32_t workers() const { return workers_; }
  std::span<const int> cpus() const { return cpus_; }  ///< CPU id of each worker; empty when not pinned

  /// All workers walk `walk`; returns when the last one is done. 0, or a code that one of the kernels returned; after a
  /// kernel has failed no further ones are started. Allocates nothing, unless it is to measure `times`.
  int32_t run(const Walk& walk, WalkTimes* times = nullptr);

 private:
  WorkerPool(const PoolOptions& options, uint32_t workers, bool ownCpus);
  void loop(uint32_t worker);
  void walkPhases(uint32_t worker);
  template <bool kTimed>
  void walkPhasesAs(uint32_t worker);

  const uint32_t workers_;
  const uint64_t idleTicks_;
  std::vector<int> cpus_;
  std::vector<int> callerCpus_;  ///< affinity of the creating thread before it was pinned
  uint64_t callerSlice_ = 0;     ///< time slice of that thread before, nanoseconds; 0: the system's
  PhaseBarrier barrier_;
  Walk walk_;                                   ///< written by run() before start_ moves, read by workers after
  WalkTimes* times_ = nullptr;                  ///< likewise; null: not measured
  bool stopping_ = false;                       ///< likewise
  alignas(64) std::atomic<uint32_t> start_{0};  ///< moves once a walk
  alignas(64) std::atomic<uint32_t> sleepers_{0};
  alignas(64) std::atomic<int32_t> failure_{0};
  std::vector<std::thread> threads_;
};

}  // namespace llmc::rt
