// Start, pinning, waking and the phase loop of the workers.
#include "runtime/device/worker_pool.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "runtime/base/limits.h"
#include "runtime/device/time_slice.h"

namespace llmc::rt {
namespace {

/// Some phases long. With the system's, a worker that wakes waits until the rival on its CPU has used up its own.
constexpr uint64_t kSliceNanoseconds = 100'000;

/// Of start_: the number of workers that take part.
constexpr uint32_t kMemberBits = 11;
static_assert(limits::kThreads < 1 << kMemberBits);
constexpr uint32_t membersOf(uint32_t start) { return start & ((1u << kMemberBits) - 1); }

/// With two workers the one that is left is as slow as both beside a rival.
constexpr uint32_t kFewestToRest = 3;

/// Whether there is anything to do for a worker without a CPU.
bool watches(const PoolOptions& options, const Placement& placement) {
  if (options.waited) return true;
  return options.pin && placement.ownCpus() && (!placement.spare.empty() || placement.workers.size() >= kFewestToRest);
}

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
int32_t callKernel(const KernelCall& kernel, uint32_t worker, uint32_t workers, std::atomic<uint32_t>* taken) {
  return kernel.function(kernel.args, worker, workers, taken);
}

}  // namespace

WorkerPool::WorkerPool(const PoolOptions& options, Placement placement)
    : placement_(std::move(placement)),
      workers_(static_cast<uint32_t>(placement_.workers.size())),
      idleTicks_(tscTicks(options.idleNanoseconds)),
      aloneTicks_(options.pin && placement_.ownCpus() && workers_ > 1 ? tscTicks(options.aloneNanoseconds) : 0),
      watchTicks_(watches(options, placement_) ? tscTicks(options.watchNanoseconds) : 0),
      fakeWait_(options.waited),
      barrier_(placement_.ownCpus() ? options.spinNanoseconds : options.spinNanoseconds / 10),
      spare_(placement_.spare),
      roster_(workers_, static_cast<double>(options.watchNanoseconds) / 1e9),
      waited_(workers_),
      shares_(workers_),
      places_(new Place[workers_]) {
  // Two workers on one CPU would wait for each other at each barrier; let the scheduler sort them out instead.
  if (!options.pin || !placement_.ownCpus()) return;
  cpus_ = placement_.cpuIds();
  callerCpus_ = allowedCpus();
}

Result<std::unique_ptr<WorkerPool>> WorkerPool::create(const PoolOptions& options) {
  if (options.threads < 0 || options.threads > limits::kThreads)
    return Status::error(ErrorKind::kUsage, "RT_THREADS",
                         "threads must be between 1 and " + std::to_string(limits::kThreads) + ", got " +
                             std::to_string(options.threads));
  std::unique_ptr<WorkerPool> pool(new WorkerPool(options, placeHere(options.threads)));
  LLMC_TRY(pool->startWorkers());
  return pool;
}

Status WorkerPool::startWorkers() {
  if (watchTicks_ || aloneTicks_) {
    delays_.resize(workers_);
    delays_[0] = RunDelay::open();
  }
  for (uint32_t worker = 1; worker < workers_; ++worker) {
    // A pool has the workers it was asked for, or it is none: plans and placement count on them.
    try {
      threads_.emplace_back([this, worker] { loop(worker); });
    } catch (const std::system_error& error) {
      return Status::error(
          ErrorKind::kUnavailable, "RT_THREADS",
          "cannot start worker " + std::to_string(worker) + " of " + std::to_string(workers_) + ": " + error.what(),
          "--threads N asks for fewer; ulimit -u and -v limit them");
    }
    if (!cpus_.empty()) pinTo(worker, cpus_[worker]);
  }
  if (!cpus_.empty()) pinTo(0, cpus_[0]);
  callerSlice_ = setTimeSlice(kSliceNanoseconds);
  return Status::ok();
}

void WorkerPool::pinTo(uint32_t worker, int cpu) {
  setAffinity(worker == 0 ? pthread_self() : threads_[worker - 1].native_handle(), std::span(&cpu, 1));
}

WorkerPool::~WorkerPool() {
  stopping_ = true;
  begin(workers_);
  for (auto& thread : threads_) thread.join();
  if (!callerCpus_.empty()) setAffinity(pthread_self(), callerCpus_);
  (void)setTimeSlice(callerSlice_);
}

/// Lets the workers [1, members) go. Those that rest are called back before the ones that wait for a walk could miss
/// it: each looks at start_ again after it has read recalls_.
void WorkerPool::begin(uint32_t members) {
  const uint32_t walk = (start_.load(std::memory_order_relaxed) >> kMemberBits) + 1;
  start_.exchange(walk << kMemberBits | members, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst)) futexWakeAll(start_);
  if (members > members_) {
    recalls_.fetch_add(1, std::memory_order_seq_cst);
    futexWakeAll(recalls_);
  }
  members_ = members;
}

int32_t WorkerPool::run(const Walk& walk, WalkTimes* times) {
  walk_ = walk;
  times_ = times;
  const uint64_t start = __rdtsc();
  if (times) {
    times->starts.assign(workers_, std::vector<uint64_t>(walk.calls.size()));
    times->ends = times->starts;
    times->opens.assign(workers_, std::vector<uint64_t>(walk.phaseEnds.size()));
    times->begin = __rdtsc();
  }
  failure_.store(0, std::memory_order_relaxed);
  const uint32_t members = walk.elastic && !times ? roster_.active() : workers_;
  if (workers_ > 1) begin(members);
  walkPhases(0, members);
  if (times) {
    times->end = __rdtsc();
    for (auto& opens : times->opens)
      if (!opens.empty()) opens.back() = times->end;
  } else if (watchTicks_ && walk.elastic) {
    watch(__rdtsc() - start);
  }
  return failure_.load(std::memory_order_relaxed);
}

uint64_t WorkerPool::waited(uint32_t worker) const {
  return fakeWait_ ? fakeWait_(worker) : delays_[worker].nanoseconds();
}

void WorkerPool::watch(uint64_t ticks) {
  walkedTicks_ += ticks;
  if (walkedTicks_ >= watchTicks_) lookAround();
}

/// Who had no CPU during the walks since the last time?
void WorkerPool::lookAround() {
  const double walked = static_cast<double>(walkedTicks_) / static_cast<double>(tscTicks(1'000'000'000));
  walkedTicks_ = 0;
  for (uint32_t worker = 0; worker < workers_; ++worker) {
    const uint64_t now = waited(worker);
    shares_[worker] = static_cast<double>(now - waited_[worker]) / 1e9 / walked;
    waited_[worker] = now;
  }
  const uint64_t now = __rdtsc();
  if (spare_.any() && !cpus_.empty()) {
    // The lowest bits of the counter are always the same on some CPUs.
    if (const auto move = spare_.look(shares_, cpus_, std::popcount(now) % 2 == 0)) {
      cpus_[move->worker] = move->cpu;
      pinTo(move->worker, move->cpu);
    }
    return;
  }
  roster_.update(shares_, static_cast<double>(now) / static_cast<double>(tscTicks(1'000'000'000)));
  if (cpus_.empty()) return;
  for (const auto& [one, other] : roster_.swaps()) {
    std::swap(cpus_[one], cpus_[other]);
    pinTo(one, cpus_[one]);
    pinTo(other, cpus_[other]);
  }
}

/// Ticks; asked for when `worker` has spun as long as it would beside others.
uint64_t WorkerPool::longerSpin(uint32_t worker) {
  // Where the kernel does not say who waits for a CPU, somebody may.
  if (aloneTicks_ == 0 || (!fakeWait_ && !delays_[worker].known())) return 0;
  using namespace std::chrono;
  const auto now = static_cast<uint64_t>(nanoseconds(steady_clock::now().time_since_epoch()).count());
  SpinTime& spin = places_[worker].spin;
  if (spin.wantsLook(now)) spin.look(now, waited(worker));
  return spin.alone(now) ? aloneTicks_ : 0;
}

void WorkerPool::walkPhases(uint32_t worker, uint32_t members) {
  times_ ? walkPhasesAs<true>(worker, members) : walkPhasesAs<false>(worker, members);
}

template <bool kTimed>
void WorkerPool::walkPhasesAs(uint32_t worker, uint32_t members) {
  const Walk walk = walk_;  // run() may write the next one as soon as the last barrier opens
  uint32_t call = 0;
  std::atomic<uint32_t>& at = places_[worker].at;
  for (uint32_t phase = 0; phase < walk.phaseEnds.size(); ++phase) {
    at.store(2 * phase, std::memory_order_relaxed);
    for (const uint32_t first = call; call < walk.phaseEnds[phase]; ++call) {
      // After a failure all workers still meet at each barrier: one that left early would strand the others.
      if (failure_.load(std::memory_order_relaxed)) continue;
      const KernelCall& kernel = walk.calls[call];
      if constexpr (kTimed) times_->starts[worker][call] = __rdtsc();
      std::atomic<uint32_t>* taken = members >= kFewestToDeal ? barrier_.counter(call - first) : nullptr;
      if (const int32_t code = callKernel(kernel, worker, members, taken))
        failure_.store(code, std::memory_order_relaxed);
      if constexpr (kTimed) times_->ends[worker][call] = __rdtsc();
    }
    at.store(2 * phase + 1, std::memory_order_relaxed);
    barrier_.arrive(members, [&] { return longerSpin(worker); });
    // The last one cannot be written: once that barrier opens, run() returns and the caller may read.
    if constexpr (kTimed)
      if (phase + 1 < walk.phaseEnds.size()) times_->opens[worker][phase] = __rdtsc();
  }
  // run() must not return while a worker may still read walk_, even if there was no phase.
  if (walk.phaseEnds.empty()) barrier_.arrive(members);
}

void WorkerPool::loop(uint32_t worker) {
  pthread_setname_np(pthread_self(), ("llmc-worker-" + std::to_string(worker)).c_str());
  (void)setTimeSlice(kSliceNanoseconds);
  if (!delays_.empty()) delays_[worker] = RunDelay::open();
  for (uint32_t seen = 0;;) {
    if (!spinOn(start_, seen, idleTicks_)) sleepOn(start_, seen, sleepers_);
    seen = start_.load(std::memory_order_acquire);
    if (membersOf(seen) <= worker) seen = rest(worker);
    if (stopping_) return;
    walkPhases(worker, membersOf(seen));
  }
}

/// Until a walk has `worker` among those who take part; run() waits for it there. Returns what start_ is then.
uint32_t WorkerPool::rest(uint32_t worker) {
  for (;;) {
    const uint32_t recalls = recalls_.load(std::memory_order_seq_cst);
    const uint32_t start = start_.load(std::memory_order_seq_cst);
    if (membersOf(start) > worker) return start;
    futexWait(recalls_, recalls);
  }
}

}  // namespace llmc::rt
