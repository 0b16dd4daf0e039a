// Checks of a plan's programs: slots, phases, launches and their arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "runtime/base/status.h"
#include "runtime/format/engine_generated.h"

namespace llmc::rt {

/// Requires that the rest of the plan has been checked. Errors: EN_SEMANTIC, EN_PLAN.
Status checkPrograms(const fb::Engine& plan);

/// Tiles of a row of logits whose largest the program gives; 0: it gives none. Requires: checkPrograms() passed, or its
/// check of the tile.
uint32_t argmaxTiles(const fb::Program& program, const fb::Engine& plan);

/// A list ordered by an upper bound: ascending, within limits, the last one 0 (no bound) and no other.
Status checkBounds(const std::string& path, uint32_t count, const std::function<uint64_t(uint32_t)>& bound,
                   const char* field);

}  // namespace llmc::rt
