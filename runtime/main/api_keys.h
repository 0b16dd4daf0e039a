// The keys that clients of the server must send.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/main/flags.h"

namespace llmc::rt {

/// Those of --api-key, then those of --api-key-file: one a line, without the blanks around them and without a carriage
/// return; empty lines and lines that begin with # are none. Errors: CLI_KEY (64) a key that no client could send, (65)
/// a file with such a key or with none; CLI_FLAG (66) no such file.
Result<std::vector<std::string>> readApiKeys(const Flags& flags);

}  // namespace llmc::rt
