// Futex calls, the TSC rate, and the wait loop shared by barrier and idle workers.
#include "runtime/device/phase_barrier.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <climits>

namespace llmc::rt {

void futexWait(std::atomic<uint32_t>& word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futexWakeAll(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

uint64_t tscTicks(uint64_t nanoseconds) {
  // A tenth of a millisecond against the steady clock: good to some percent, which is all a spin limit needs.
  static const double ticksPerNanosecond = [] {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const uint64_t first = __rdtsc();
    while (Clock::now() - start < std::chrono::microseconds(100)) _mm_pause();
    const std::chrono::duration<double, std::nano> passed = Clock::now() - start;
    return static_cast<double>(__rdtsc() - first) / passed.count();
  }();
  return static_cast<uint64_t>(static_cast<double>(nanoseconds) * ticksPerNanosecond);
}

bool spinOn(std::atomic<uint32_t>& word, uint32_t seen, uint64_t ticks) {
  const uint64_t start = __rdtsc();
  do {
    // Several looks a clock read: rdtsc costs as much as ten loads that hit.
    for (int i = 0; i < 16; ++i) {
      if (word.load(std::memory_order_acquire) != seen) return true;
      _mm_pause();
    }
  } while (__rdtsc() - start < ticks);
  return false;
}

void sleepOn(std::atomic<uint32_t>& word, uint32_t seen, std::atomic<uint32_t>& sleepers) {
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (word.load(std::memory_order_seq_cst) == seen) futexWait(word, seen);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace llmc::rt
