// What the engine's loop says of itself while it works, for whoever watches it from another thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace llmc::rt::serving {

/// What a turn of the loop is at.
enum class LoopPhase : uint8_t {
  kIdle,     ///< asleep until something comes
  kPlan,     ///< takes commands, plans
  kPrepare,  ///< makes memory ready, moves pages
  kRun,      ///< kernels run, or a device is waited for: the loop touches no state of its own
  kSample,
  kTell
};
const char* nameOf(LoopPhase phase);

/// turn(), enter(), run() and rest() belong to the loop's thread, all else to any. A turn costs one look at the clock.
class Heartbeat {
 public:
  /// A turn begins. True: the loop had rested before.
  bool turn();
  /// Everything written before is visible to whoever reads this phase.
  void enter(LoopPhase phase) { phase_.store(phase, std::memory_order_seq_cst); }
  /// enter(kRun), and the turn counts in p99Seconds().
  void run() {
    ran_ = true;
    enter(LoopPhase::kRun);
  }
  /// The turn is over, and the next one comes when there is something to do.
  void rest();

  LoopPhase phase() const { return phase_.load(std::memory_order_seq_cst); }
  uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }
  /// Of the turns in which something ran, to the next eighth of a power of two; 0: none yet.
  double p99Seconds() const;

 private:
  static constexpr uint32_t kFine = 8;  ///< bins of a power of two
  void close(uint64_t now);

  std::atomic<LoopPhase> phase_{LoopPhase::kIdle};
  std::atomic<uint64_t> turns_{0};
  uint64_t begin_ = 0;  ///< of the turn, nanoseconds; 0: none
  bool ran_ = false;    ///< in this turn
  std::array<std::atomic<uint64_t>, 64 * kFine> bins_{};
};

}  // namespace llmc::rt::serving
