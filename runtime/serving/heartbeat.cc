// One writer: counters are loaded and stored, never locked.
#include "runtime/serving/heartbeat.h"

#include <bit>
#include <chrono>

namespace llmc::rt::serving {
namespace {

uint64_t nanoseconds() {
  return static_cast<uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

const char* nameOf(LoopPhase phase) {
  switch (phase) {
    case LoopPhase::kIdle:
      return "idle";
    case LoopPhase::kPlan:
      return "taking commands and planning";
    case LoopPhase::kPrepare:
      return "making memory ready and moving pages";
    case LoopPhase::kRun:
      return "in the kernels, or waiting for the device";
    case LoopPhase::kSample:
      return "sampling";
    case LoopPhase::kTell:
      return "telling tokens";
  }
  return "";
}

void Heartbeat::close(uint64_t now) {
  if (ran_ && begin_ > 0 && now > begin_) {
    const uint64_t took = (now - begin_) | kFine;  // so that there are bits below the highest one
    const auto power = static_cast<uint32_t>(std::bit_width(took)) - 1;
    const auto fine = static_cast<uint32_t>(took >> (power - 3)) % kFine;
    std::atomic<uint64_t>& bin = bins_[power * kFine + fine];
    bin.store(bin.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  ran_ = false;
}

bool Heartbeat::turn() {
  const uint64_t now = nanoseconds();
  close(now);
  begin_ = now;
  turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const bool rested = phase_.load(std::memory_order_relaxed) == LoopPhase::kIdle;
  enter(LoopPhase::kPlan);
  return rested;
}

void Heartbeat::rest() {
  close(nanoseconds());
  begin_ = 0;
  enter(LoopPhase::kIdle);
}

double Heartbeat::p99Seconds() const {
  uint64_t all = 0;
  for (const auto& bin : bins_) all += bin.load(std::memory_order_relaxed);
  uint64_t above = all / 100;  // that many may have taken longer
  for (size_t i = bins_.size(); i-- > 0;) {
    const uint64_t count = bins_[i].load(std::memory_order_relaxed);
    if (count > above) {
      const size_t power = i / kFine, fine = i % kFine;
      return static_cast<double>(uint64_t{1} << power) * (1 + static_cast<double>(fine + 1) / kFine) / 1e9;
    }
    above -= count;
  }
  return 0;
}

}  // namespace llmc::rt::serving
