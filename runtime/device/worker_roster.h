// Who takes part in walks while other processes take CPUs away: a worker without a CPU keeps all others waiting.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace llmc::rt {

/// Decides from how long workers waited for their CPUs. A busy process on one of n CPUs leaves its worker half of it,
/// and with it all that wait for this one at each barrier: n / 2 of n. Without that worker n - 1 are left, which is
/// more from 3 on. So the workers of taken CPUs rest for a while, return to see if the CPUs are free again, and rest
/// twice as long if they are not. Where processes take many of the CPUs (2 of 4, all), sharing them is as good, and all
/// stay.
class WorkerRoster {
 public:
  static constexpr double kFirstPause = 4, kLongestPause = 64;  ///< looks

  /// `look`: seconds from one update() to the next.
  WorkerRoster(uint32_t workers, double look) : workers_(workers), look_(look), active_(workers) {}

  /// `waited[i]`: share of the last stretch of walks, 0 to 1, that worker i was ready to run and had no CPU. `now`:
  /// seconds, never less than before. The workers [0, active()) are to take part from here on.
  void update(std::span<const double> waited, double now);
  uint32_t active() const { return active_; }
  /// Of the last update(): pairs of workers that are to change CPUs, so that those who rest are the last ones.
  std::span<const std::pair<uint32_t, uint32_t>> swaps() const { return swaps_; }

 private:
  enum class State : uint8_t { kAll, kTrial, kResting, kProbe };
  void rest(std::span<const double> waited, uint32_t count);
  void returnAll(State state);
  void lengthenPause();

  const uint32_t workers_;
  const double look_;
  uint32_t active_;
  State state_ = State::kAll;
  double pause_ = kFirstPause;  ///< looks
  double until_ = 0;            ///< kResting: when all return; kAll: when the next ones may rest
  double before_ = 0;           ///< CPUs that were taken before the trial
  bool suspected_ = false;      ///< the last look saw CPUs that were taken
  std::vector<std::pair<uint32_t, uint32_t>> swaps_;
};

}  // namespace llmc::rt
