// The exact size of the arena: the memory formula of an engine at given limits.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/format/engine_generated.h"

namespace llmc::rt {

/// What one step may hold at most. Chosen at load; memory follows from it.
struct StepLimits {
  uint32_t maxTokens = 512;  ///< T
  uint32_t maxRows = 16;     ///< S
  uint32_t maxSequences = 16;
  uint32_t maxContext = 0;  ///< tokens of the longest sequence
};

/// How many units of each kind a program's arena holds, in the order of fb::Unit: 1, T_max + 16, S_max + 16, workers.
/// T_max is cut to the program's own t_max and to q_max tokens for each sequence, and S_max to T_max.
struct UnitCounts {
  uint64_t count[4];
};
UnitCounts unitCounts(const fb::Program& program, const StepLimits& limits, uint32_t workers);

/// Offset of a slot from the arena's start, in bytes: region_base(unit) + slot.offset * N(unit).
/// Requires: checkPlan() passed.
uint64_t slotOffset(const fb::Program& program, const fb::Slot& slot, const UnitCounts& units);

/// Arena bytes of one program, nothing on overflow.
std::optional<uint64_t> programBytes(const fb::Program& program, const UnitCounts& units);

/// Arena bytes of an engine: its largest program, all share one base. Nothing on overflow.
std::optional<uint64_t> workspaceBytes(const fb::Engine& plan, const StepLimits& limits, uint32_t workers);

}  // namespace llmc::rt
