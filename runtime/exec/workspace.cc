// Region arithmetic: Fixed, Token, Row, Worker, one after the other.
#include "runtime/exec/workspace.h"

#include <algorithm>

#include "runtime/base/checked.h"
#include "runtime/format/kernel_abi.h"

namespace llmc::rt {

UnitCounts unitCounts(const fb::Program& program, const StepLimits& limits, uint32_t workers) {
  uint64_t tokens = program.t_max() ? std::min(program.t_max(), limits.maxTokens) : limits.maxTokens;
  if (program.q_max()) tokens = std::min(tokens, uint64_t{limits.maxSequences} * program.q_max());
  const uint64_t rows = std::min<uint64_t>(limits.maxRows, tokens);
  return {{1, tokens + kPaddingRows, rows + kPaddingRows, workers}};
}

uint64_t slotOffset(const fb::Program& program, const fb::Slot& slot, const UnitCounts& units) {
  const auto unit = static_cast<size_t>(slot.unit());
  uint64_t base = 0;
  for (uint32_t i = 0; i < unit; ++i) base += program.region_bytes()->Get(i) * units.count[i];
  return base + slot.offset() * units.count[unit];
}

std::optional<uint64_t> programBytes(const fb::Program& program, const UnitCounts& units) {
  std::optional<uint64_t> total = 0;
  for (uint32_t i = 0; i < 4 && total; ++i) {
    const auto region = checkedMul<uint64_t>(program.region_bytes()->Get(i), units.count[i]);
    total = region ? checkedAdd(*total, *region) : std::nullopt;
  }
  return total;
}

std::optional<uint64_t> workspaceBytes(const fb::Engine& plan, const StepLimits& limits, uint32_t workers) {
  uint64_t most = 0;
  for (const auto* program : *plan.programs()) {
    const auto bytes = programBytes(*program, unitCounts(*program, limits, workers));
    if (!bytes) return std::nullopt;
    most = std::max(most, *bytes);
  }
  return most;
}

}  // namespace llmc::rt
