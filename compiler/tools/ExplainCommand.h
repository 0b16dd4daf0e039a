// What `llmc explain` prints.
#pragma once

#include "runtime/format/engine_reader.h"
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace llmc {

/// The EXPLAIN section of the engine's plan in use, joined with what the plan says of each kernel: "kernels" and the
/// refusals that are no kernel's. Error: EN_EXPLAIN, as below.
rt::Result<nlohmann::ordered_json> readExplanation(const rt::EngineFile &engine);

/// Text, or JSON, for all kernels of the engine, or for those called `kernel` when that is not empty. Of two targets
/// one after the other; JSON then is {"targets": [{"target": "cpu", ...}, ...]}. Uses the engine's plans in turn.
/// Errors: EN_EXPLAIN when the engine has no such section, or it does not agree with the plan; USAGE for an unknown
/// kernel.
rt::Result<std::string> explainEngine(rt::EngineFile &engine, const std::string &kernel, bool json);

} // namespace llmc
