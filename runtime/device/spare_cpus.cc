// The first in the queue, and the old CPU to its end.
#include "runtime/device/spare_cpus.h"

#include <algorithm>
#include <utility>

namespace llmc::rt {
namespace {

/// Of a CPU; below, it is what daemons and kernel threads need.
constexpr double kTaken = 0.3;

}  // namespace

std::optional<SpareCpus::Move> SpareCpus::look(std::span<const double> waited, std::span<const int> cpus, bool coin) {
  const auto worst = std::max_element(waited.begin(), waited.end());
  const bool taken = any() && worst != waited.end() && *worst >= kTaken;
  if (!std::exchange(suspected_, taken) || !taken || !coin) return std::nullopt;
  suspected_ = false;
  const Move move{static_cast<uint32_t>(worst - waited.begin()), spare_.front()};
  spare_.pop_front();
  spare_.push_back(cpus[move.worker]);
  return move;
}

}  // namespace llmc::rt
