// Persistent pinned workers that walk a list of phases together: the only threads that run generated code.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/cpu_topology.h"
#include "runtime/device/phase_barrier.h"
#include "runtime/device/run_delay.h"
#include "runtime/device/spare_cpus.h"
#include "runtime/device/spin_time.h"
#include "runtime/device/worker_roster.h"

namespace llmc::rt {

/// One launch with its arguments resolved: what a worker calls.
struct KernelCall {
  int32_t (*function)(const uint64_t* args, uint32_t worker, uint32_t workers,
                      std::atomic<uint32_t>* taken) = nullptr;  ///< KernelFn
  const uint64_t* args = nullptr;                               ///< absolute addresses
};

/// A step's work in order. Phase p runs calls [phaseEnds[p-1], phaseEnds[p]); all workers meet at its end.
struct Walk {
  std::span<const KernelCall> calls;
  std::span<const uint32_t> phaseEnds;
  /// Any number of workers may share the work: those whose CPU another process has may rest meanwhile.
  bool elastic = false;
};

/// Where a worker stands in the walk that began last.
struct WorkerPlace {
  uint32_t phase = 0;
  bool waits = false;  ///< at the phase's barrier
};

/// When things happened in one walk, on the TSC. Filled by run(): each worker writes its own rows, so that they do not
/// meet. All workers take part. Of a walk in which a kernel failed the rest is 0.
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
  /// How long a worker spins on whose CPU nobody else wants (SpinTime); 0: no longer.
  uint64_t aloneNanoseconds = 3'000'000;
  uint64_t idleNanoseconds = 100'000;  ///< between walks, before sleeping: covers sampling between two tokens
  /// Time in walks after which the pool looks who had no CPU, moves that worker to a core to spare or, where there is
  /// none, lets it rest; 0: never. Many times as long as a busy process and a
  /// worker take turns, some milliseconds.
  uint64_t watchNanoseconds = 100'000'000;
  uint64_t (*waited)(uint32_t worker) = nullptr;  ///< for tests: nanoseconds without a CPU; null: ask the kernel
};

/// Workers of a walk from which on kernels may leave a part to whoever is free. Two are as fast with equal shares (1B
/// shape in Q4_K: 1 to 2% faster), and one has nobody to share with.
inline constexpr uint32_t kFewestToDeal = 3;

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
  uint32_t active() const { return roster_.active(); }  ///< workers that share elastic walks now
  std::span<const int> cpus() const { return cpus_; }   ///< CPU id of each worker; empty when not pinned
  const Placement& placement() const { return placement_; }

  /// Any thread; of a worker that takes no part the place where it stood before.
  WorkerPlace place(uint32_t worker) const {
    const uint32_t at = places_[worker].at.load(std::memory_order_relaxed);
    return {at / 2, at % 2 != 0};
  }

  /// All workers walk `walk`, of an elastic one that is not measured those that have a CPU; returns when the last one
  /// is done. 0, or a code that one of the kernels returned; after a kernel has failed no further ones are started.
  /// Allocates nothing, unless it is to measure `times` or sends workers to rest.
  int32_t run(const Walk& walk, WalkTimes* times = nullptr);

 private:
  WorkerPool(const PoolOptions& options, Placement placement);
  Status startWorkers();
  void loop(uint32_t worker);
  uint32_t rest(uint32_t worker);
  void begin(uint32_t members);
  uint64_t longerSpin(uint32_t worker);
  uint64_t waited(uint32_t worker) const;
  void walkPhases(uint32_t worker, uint32_t members);
  template <bool kTimed>
  void walkPhasesAs(uint32_t worker, uint32_t members);
  void watch(uint64_t ticks);
  void lookAround();
  void pinTo(uint32_t worker, int cpu);

  const Placement placement_;
  const uint32_t workers_;
  const uint64_t idleTicks_;
  const uint64_t aloneTicks_;  ///< 0: workers have no CPUs of their own
  const uint64_t watchTicks_;  ///< 0: nobody moves or rests
  uint64_t (*const fakeWait_)(uint32_t worker);
  std::vector<int> cpus_;
  std::vector<int> callerCpus_;  ///< affinity of the creating thread before it was pinned
  uint64_t callerSlice_ = 0;     ///< time slice of that thread before, nanoseconds; 0: the system's
  PhaseBarrier barrier_;
  SpareCpus spare_;
  WorkerRoster roster_;
  std::vector<RunDelay> delays_;  ///< [worker], each opened by its own thread before its first walk
  std::vector<uint64_t> waited_;  ///< [worker] its delay when the pool last looked
  std::vector<double> shares_;    ///< [worker] of the time since then
  uint64_t walkedTicks_ = 0;      ///< in walks since then
  Walk walk_;                     ///< written by run() before start_ moves, read by workers after
  WalkTimes* times_ = nullptr;    ///< likewise; null: not measured
  bool stopping_ = false;         ///< likewise
  uint32_t members_ = 0;          ///< of the walk begun last
  /// Moves once a walk: its number, and in the low bits how many workers take part, which no other variable may tell: a
  /// worker that is not among them may read it at any time.
  alignas(64) std::atomic<uint32_t> start_{0};
  alignas(64) std::atomic<uint32_t> sleepers_{0};
  alignas(64) std::atomic<uint32_t> recalls_{0};  ///< moves when workers that rest are among those who take part again
  alignas(64) std::atomic<int32_t> failure_{0};
  struct alignas(64) Place {
    std::atomic<uint32_t> at{0};  ///< 2 * phase, and 1 at its barrier
    SpinTime spin;
  };
  const std::unique_ptr<Place[]> places_;  ///< [worker], each written by its own thread
  std::vector<std::thread> threads_;
};

}  // namespace llmc::rt
