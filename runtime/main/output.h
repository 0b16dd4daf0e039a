// Writes to stdout that notice when nobody can read them.
#pragma once

#include <string_view>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Writes all of `text` to stdout at once, unbuffered. Error CLI_OUTPUT (74).
Status writeOutput(std::string_view text);

/// Writes `text` and a newline to stderr; errors are ignored, there is nowhere to report them.
void writeNotice(std::string_view text);

}  // namespace llmc::rt
