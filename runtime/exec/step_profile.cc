// Sums of measured walks.
#include "runtime/exec/step_profile.h"

#include <algorithm>

namespace llmc::rt {

void StepProfile::add(const BoundProgram& program, const Walk& walk, const WalkTimes& times, uint32_t tokens,
                      uint32_t rows) {
  const auto workers = static_cast<double>(times.calls.size());
  for (size_t call = 0; call < walk.calls.size(); ++call) {
    const auto& origin = program.origins()[call];
    uint64_t sum = 0, slowest = 0;
    for (const auto& worker : times.calls) {
      sum += worker[call];
      slowest = std::max(slowest, worker[call]);
    }
    Entry& entry = kernels_[{origin.kernel, origin.variant}];
    ++entry.calls;
    entry.rows += origin.onRows ? rows : tokens;
    entry.ticks += static_cast<double>(sum) / workers;
    entry.slowest += static_cast<double>(slowest);
    ticks_ += static_cast<double>(sum) / workers;
  }
  uint64_t waited = 0;
  for (const auto& worker : times.waits)
    for (const uint64_t wait : worker) waited += wait;
  waitTicks_ += static_cast<double>(waited) / workers;
  ticks_ += static_cast<double>(waited) / workers;
  ++steps_;
}

}  // namespace llmc::rt
