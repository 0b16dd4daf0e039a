// Flags from a file: YAML or JSON, keys as the long flags.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt {

/// The flags of a file as arguments ("--port", "8001"), in its order. A key is a flag's name in any spelling, or
/// "engine" or "model"; a value is a text or number, true or false for a flag without value, or a list for a flag that
/// repeats. False for a switch of vLLM's is its negation, where there is one.
/// Flags that `given` (our names) holds already are left out: the command line has the last word. Errors CLI_CONFIG
/// with file and line: 66 no such file; 65 not YAML, not one map, an unknown or repeated key, a value of a wrong kind.
Result<std::vector<std::string>> readConfigFile(const std::string& path, const std::vector<std::string>& given);

}  // namespace llmc::rt
