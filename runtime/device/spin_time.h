// Whether a worker that waits at a barrier may spin for long: nobody else wants its CPU.
#pragma once

#include <cstdint>

namespace llmc::rt {

/// Of one worker, which alone uses it. Whoever sleeps is late for the next barrier by what waking takes; where that is
/// longer than the others spin, they sleep, too, and are late in turn, phase after phase. In a virtual machine on a
/// busy host waking takes 0.1 ms, and one time in a hundred some milliseconds. So a worker with a CPU for itself spins
/// longer than that. Beside another process it would spend its share of the CPU so, and sleeps sooner.
class SpinTime {
 public:
  /// A look counts for so long; one that comes later than kStale after the last only begins a new stretch.
  static constexpr uint64_t kLook = 10'000'000, kStale = 100'000'000;
  /// After others were seen: a worker that sleeps waits less for its CPU than one that spins, so looks alone would
  /// have it spin again at once.
  static constexpr uint64_t kPause = 1'600'000'000;
  /// Share of a stretch that others had the CPU, from which on they count; daemons and kernel threads need less.
  static constexpr double kTaken = 0.2;

  /// All times are in nanoseconds, `now` of any clock that never goes back.
  bool wantsLook(uint64_t now) const { return now >= lookedAt_ + kLook; }
  /// `waited`: how long the worker was ready to run without a CPU, since it began.
  void look(uint64_t now, uint64_t waited);
  bool alone(uint64_t now) const { return now >= aloneFrom_; }

 private:
  uint64_t lookedAt_ = 0, waited_ = 0, aloneFrom_ = 0;
};

}  // namespace llmc::rt
