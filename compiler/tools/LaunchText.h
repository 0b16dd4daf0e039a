// How a CUDA kernel is launched and what it takes, as explain shows it.
#pragma once

#include "runtime/format/engine_generated.h"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace llmc {

/// {"threads": 256, "grid": ["36 + 2 * ceil(T / 16)", "1", "1"], "registers": 64, ..}; bytes.
nlohmann::ordered_json launchFacts(const fb::LaunchShape &launch);

/// "256 threads, grid (36, 1, 1), 64 registers, 1024 + 0 bytes shared, no spills" from launchFacts().
std::string launchText(const nlohmann::ordered_json &facts);

} // namespace llmc
