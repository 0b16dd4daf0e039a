// What `llmc explain --predict` prints.
#pragma once

#include "runtime/format/engine_reader.h"
#include <string>

namespace llmc {

/// How long usual steps take, and what of memory and tensor cores that uses, on the usual GPU of each architecture that
/// the engine has cubins for: by the cost model of the kernels and data sheets, nothing is measured. Text, or JSON:
/// {"predictions": [{"level", "device", "steps": [{"name", "us", "bytes", "flops", "kernels": [..]}], ..}]}.
/// Errors: EN_EXPLAIN when the engine has no such section, or one without costs; USAGE for an engine without code for
/// CUDA.
rt::Result<std::string> predictEngine(rt::EngineFile &engine, bool json);

} // namespace llmc
