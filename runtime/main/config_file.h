// Flags from a file: YAML or JSON, keys as the long flags.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/main/error_context.h"

namespace llmc::rt {

/// A file that is one map, in memory.
class ConfigFile {
 public:
  /// Errors CLI_CONFIG: 66 no such file, 65 too large, 74 not readable.
  static Result<ConfigFile> open(const std::string& path);

  /// The value of a flag (our name) as far as the file can be read: known before a mistake in it is told. Empty: none.
  std::string peek(std::string_view flag) const;

  /// The flags as arguments ("--port=8001"), in the file's order. A key is a flag's name in any spelling, or "engine"
  /// or "model"; a value is a text or number, true or false for a flag without value, or a list for a flag that
  /// repeats. False for a switch of vLLM's is its negation, where there is one. Flags that `given` (our names) holds
  /// already are left out: the command line has the last word. `places` gets where each of the others stands, `notices`
  /// one of each flag of vLLM's that has no effect. Errors CLI_CONFIG (65) with file and line: not YAML, not one map,
  /// an unknown or repeated key, a value of a wrong kind.
  Result<std::vector<std::string>> arguments(const std::vector<std::string>& given, FlagPlaces& places,
                                             std::vector<std::string>& notices) const;

 private:
  ConfigFile(std::string path, std::string text) : path_(std::move(path)), text_(std::move(text)) {}

  std::string path_, text_;
};

}  // namespace llmc::rt
