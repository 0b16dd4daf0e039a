// The point where all workers meet at the end of a phase: spins briefly, then sleeps, so that a taken core costs
// little.
#pragma once

#include <atomic>
#include <cstdint>

namespace llmc::rt {

/// Sleeps while `word` holds `expected`, until wakeAll(word). May return early.
void futexWait(std::atomic<uint32_t>& word, uint32_t expected);
void futexWakeAll(std::atomic<uint32_t>& word);

/// Processor cycles (TSC) in `nanoseconds`; measured once a process.
uint64_t tscTicks(uint64_t nanoseconds);

/// Spins until `word` is no longer `seen`, for `ticks` at most. Whether it changed.
bool spinOn(std::atomic<uint32_t>& word, uint32_t seen, uint64_t ticks);
/// Sleeps until `word` is no longer `seen`. `sleepers` counts those asleep, so that whoever changes `word` (with a
/// sequentially consistent exchange) knows if anybody needs waking.
void sleepOn(std::atomic<uint32_t>& word, uint32_t seen, std::atomic<uint32_t>& sleepers);

/// Reusable barrier. Everything a thread wrote before arrive() is visible to all after it.
class PhaseBarrier {
 public:
  /// `spinNanoseconds`: how long a thread spins before it sleeps. Pays off while a sleep costs more than a phase.
  explicit PhaseBarrier(uint64_t spinNanoseconds) : spinTicks_(tscTicks(spinNanoseconds)) {}

  /// Blocks until `threads` of them have called it, which all say the same number. It may be another one the next time.
  /// Before this thread sleeps, it spins `longer()` ticks on.
  template <typename Longer>
  void arrive(uint32_t threads, Longer longer) {
    if (threads == 1) return;
    const uint32_t seen = epoch_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < threads) {
      if (!spinOn(epoch_, seen, spinTicks_) && !spinOn(epoch_, seen, longer())) sleepOn(epoch_, seen, sleepers_);
      return;
    }
    for (auto& counter : counters_) counter.store(0, std::memory_order_relaxed);
    arrived_.store(0, std::memory_order_relaxed);  // before the release: nobody arrives again until epoch_ moves
    epoch_.exchange(seen + 1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst)) futexWakeAll(epoch_);
  }

  void arrive(uint32_t threads) {
    arrive(threads, [] { return uint64_t{0}; });
  }

  /// Number `index` of those that the threads, more than one, share between two arrivals: 0 after each. Null: there are
  /// not so many.
  std::atomic<uint32_t>* counter(uint32_t index) { return index < kCounters ? &counters_[index] : nullptr; }
  static constexpr uint32_t kCounters = 8;

 private:
  const uint64_t spinTicks_;
  // Each line by itself: arriving must not disturb those who spin on the epoch. The counters are on the line that the
  // last one to arrive has anyway: to reset them costs it nothing.
  alignas(64) std::atomic<uint32_t> arrived_{0};
  std::atomic<uint32_t> counters_[kCounters] = {};
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<uint32_t> sleepers_{0};
};

}  // namespace llmc::rt
