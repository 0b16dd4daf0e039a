// Where the time of steps goes: by kernel variant, by phase, at barriers, between steps. Filled by the executor on
// demand (--profile).
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "runtime/exec/step_observer.h"

namespace llmc::rt {

/// Sums over steps. Times are TSC ticks of one worker: the mean over the workers. All of ticks() is in a kernel, at a
/// barrier or idle.
class StepProfile : public StepObserver {
 public:
  /// `window`: positions that a token sees, itself included; 0: all before it.
  explicit StepProfile(uint32_t window = 0) : window_(window) {}

  struct Entry {
    uint64_t calls = 0;
    uint64_t rows = 0;    ///< of all calls: T or S each
    double context = 0;   ///< tokens whose K and V one head reads, of all calls
    double attended = 0;  ///< pairs of a token and one that it sees, of all calls
    double ticks = 0;     ///< in the kernel
    double slowest = 0;   ///< of the worker that took longest, call by call
  };
  using Key = std::pair<uint32_t, uint32_t>;  ///< kernel and variant, as numbered in the plan

  /// Phases that run the same kernels, whatever their layer.
  struct Phase {
    uint64_t count = 0;
    double ticks = 0;      ///< from barrier to barrier
    double waitTicks = 0;  ///< of it not in a kernel
  };

  void begin(uint64_t now) override { last_ = now; }
  void add(const MeasuredStep& step) override;
  void end(uint64_t now) override;

  const std::map<Key, Entry>& kernels() const { return kernels_; }
  const std::map<std::vector<Key>, Phase>& phases() const { return phases_; }
  uint64_t steps() const { return steps_; }
  /// At barriers: work that was shared unevenly, the barrier itself, waking up.
  double waitTicks() const { return waitTicks_; }
  /// Between the walks: batches are built, tokens sampled.
  double idleTicks() const { return idleTicks_; }
  double ticks() const { return ticks_; }

 private:
  void addCalls(const MeasuredStep& step);
  void addPhases(const MeasuredStep& step);

  const uint32_t window_;
  std::map<Key, Entry> kernels_;
  std::map<std::vector<Key>, Phase> phases_;
  uint64_t steps_ = 0;
  uint64_t last_ = 0;  ///< end of the last walk, or when measuring began
  double waitTicks_ = 0, idleTicks_ = 0, ticks_ = 0;
};

}  // namespace llmc::rt
