// Where the time of steps goes: by kernel variant, and at barriers. Filled by the executor on demand (--profile).
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "runtime/device/worker_pool.h"
#include "runtime/exec/bound_program.h"

namespace llmc::rt {

/// Sums over steps. Times are TSC ticks of one worker: the mean over the workers.
class StepProfile {
 public:
  struct Entry {
    uint64_t calls = 0;
    uint64_t rows = 0;   ///< of all calls: T or S each
    double ticks = 0;    ///< in the kernel
    double slowest = 0;  ///< of the worker that took longest, call by call
  };
  using Key = std::pair<uint32_t, uint32_t>;  ///< kernel and variant, as numbered in the plan

  /// Adds a step of `tokens` tokens and `rows` selected rows that `program` walked.
  void add(const BoundProgram& program, const Walk& walk, const WalkTimes& times, uint32_t tokens, uint32_t rows);

  const std::map<Key, Entry>& kernels() const { return kernels_; }
  uint64_t steps() const { return steps_; }
  double waitTicks() const {
    return waitTicks_;
  }  ///< at barriers: work that was shared unevenly, and the barrier itself
  double ticks() const { return ticks_; }  ///< in kernels and at barriers

 private:
  std::map<Key, Entry> kernels_;
  uint64_t steps_ = 0;
  double waitTicks_ = 0;
  double ticks_ = 0;
};

}  // namespace llmc::rt
