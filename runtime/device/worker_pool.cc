// Start, pinning, waking and the phase loop of the workers.
#include "runtime/device/worker_pool.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <system_error>

#include "runtime/base/limits.h"
#include "runtime/device/cpu_topology.h"
#include "runtime/device/time_slice.h"

namespace llmc::rt {
namespace {

/// Some phases long. With the system's, a worker that wakes waits until the rival on its CPU has used up its own.
constexpr uint64_t kSliceNanoseconds = 100'000;

void setAffinity(pthread_t thread, std::span<const int> cpus) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (int cpu : cpus) CPU_SET(cpu, &mask);
  // A refusal (cpuset changed under us) only costs speed.
  (void)pthread_setaffinity_np(thread, sizeof mask, &mask);
}

// Generated code carries no type signature in front of its entry points, where this check would look for one.
#if defined(__clang__)
__attribute__((no_sanitize("function")))
#endif
int32_t callKernel(const KernelCall& kernel, uint32_t worker, uint32_t workers) {
  return kernel.function(kernel.args, worker, workers);
}

}  // namespace

WorkerPool::WorkerPool(const PoolOptions& options, uint32_t workers, bool ownCpus)
    : workers_(workers),
      idleTicks_(tscTicks(options.idleNanoseconds)),
      barrier_(workers, ownCpus ? options.spinNanoseconds : options.spinNanoseconds / 10) {}

Result<std::unique_ptr<WorkerPool>> WorkerPool::create(const PoolOptions& options) {
  if (options.threads < 0 || options.threads > limits::kThreads)
    return Status::error(ErrorKind::kUsage, "RT_THREADS",
                         "threads must be between 1 and " + std::to_string(limits::kThreads) + ", got " +
                             std::to_string(options.threads));
  const auto allowed = allowedCpus();
  const auto placed = placeWorkers(allowed, options.threads, cgroupCpuLimit());
  const bool ownCpus = placed.size() <= allowed.size();
  std::unique_ptr<WorkerPool> pool(new WorkerPool(options, static_cast<uint32_t>(placed.size()), ownCpus));
  // Two workers on one CPU would wait for each other at each barrier; let the scheduler sort them out instead.
  const bool pin = options.pin && ownCpus;
  if (pin) {
    pool->cpus_ = placed;
    for (const auto& cpu : allowed) pool->callerCpus_.push_back(cpu.id);
  }
  for (uint32_t worker = 1; worker < pool->workers_; ++worker) {
    // The one place where the standard library can only tell by throwing.
    try {
      pool->threads_.emplace_back([raw = pool.get(), worker] { raw->loop(worker); });
    } catch (const std::system_error& error) {
      return Status::error(ErrorKind::kUnavailable, "RT_THREADS",
                           "cannot start worker " + std::to_string(worker) + " of " + std::to_string(pool->workers_) +
                               ": " + error.what());
    }
    if (pin) setAffinity(pool->threads_.back().native_handle(), std::span(placed).subspan(worker, 1));
  }
  if (pin) setAffinity(pthread_self(), std::span(placed).first(1));
  pool->callerSlice_ = setTimeSlice(kSliceNanoseconds);
  return pool;
}

WorkerPool::~WorkerPool() {
  stopping_ = true;
  start_.exchange(start_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
  futexWakeAll(start_);
  for (auto& thread : threads_) thread.join();
  if (!callerCpus_.empty()) setAffinity(pthread_self(), callerCpus_);
  (void)setTimeSlice(callerSlice_);
}

int32_t WorkerPool::run(const Walk& walk, WalkTimes* times) {
  walk_ = walk;
  times_ = times;
  if (times) {
    times->starts.assign(workers_, std::vector<uint64_t>(walk.calls.size()));
    times->ends = times->starts;
    times->opens.assign(workers_, std::vector<uint64_t>(walk.phaseEnds.size()));
    times->begin = __rdtsc();
  }
  failure_.store(0, std::memory_order_relaxed);
  if (workers_ > 1) {
    start_.exchange(start_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst)) futexWakeAll(start_);
  }
  walkPhases(0);
  if (times) {
    times->end = __rdtsc();
    for (auto& opens : times->opens)
      if (!opens.empty()) opens.back() = times->end;
  }
  return failure_.load(std::memory_order_relaxed);
}

void WorkerPool::walkPhases(uint32_t worker) { times_ ? walkPhasesAs<true>(worker) : walkPhasesAs<false>(worker); }

template <bool kTimed>
void WorkerPool::walkPhasesAs(uint32_t worker) {
  const Walk walk = walk_;  // run() may write the next one as soon as the last barrier opens
  uint32_t call = 0;
  for (size_t phase = 0; phase < walk.phaseEnds.size(); ++phase) {
    for (; call < walk.phaseEnds[phase]; ++call) {
      // After a failure all workers still meet at each barrier: one that left early would strand the others.
      if (failure_.load(std::memory_order_relaxed)) continue;
      const KernelCall& kernel = walk.calls[call];
      if constexpr (kTimed) times_->starts[worker][call] = __rdtsc();
      if (const int32_t code = callKernel(kernel, worker, workers_)) failure_.store(code, std::memory_order_relaxed);
      if constexpr (kTimed) times_->ends[worker][call] = __rdtsc();
    }
    barrier_.arrive();
    // The last one cannot be written: once that barrier opens, run() returns and the caller may read.
    if constexpr (kTimed)
      if (phase + 1 < walk.phaseEnds.size()) times_->opens[worker][phase] = __rdtsc();
  }
  // run() must not return while a worker may still read walk_, even if there was no phase.
  if (walk.phaseEnds.empty()) barrier_.arrive();
}

void WorkerPool::loop(uint32_t worker) {
  (void)setTimeSlice(kSliceNanoseconds);
  for (uint32_t seen = 0;; ++seen) {
    spinThenSleep(start_, seen, idleTicks_, sleepers_);
    if (stopping_) return;
    walkPhases(worker);
  }
}

}  // namespace llmc::rt
