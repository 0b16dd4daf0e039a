// What `llmc explain` prints.
#pragma once

#include "runtime/format/engine_reader.h"
#include <string>

namespace llmc {

/// Text, or JSON, for all kernels of the engine, or for the one called `kernel` when that is not empty.
/// Errors: EN_EXPLAIN when the engine has no such section, or it does not agree with the plan; USAGE for an unknown
/// kernel.
rt::Result<std::string> explainEngine(const rt::EngineFile &engine, const std::string &kernel, bool json);

} // namespace llmc
