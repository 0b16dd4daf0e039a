// `llmc inspect` and `llmc explain`: what is in an engine, and why its kernels are what they are.
#pragma once

#include "runtime/base/status.h"
#include <string>

namespace llmc {

/// Runs `llmc inspect` or `llmc explain` with its own arguments (argv[0] is the command); returns the exit status.
int runInspect(int argc, char **argv);

/// Help text of `command`: "inspect" or "explain".
std::string inspectHelp(const std::string &command);

/// Writes `text` to stdout. Errors: OUT_IO when not all of it could be written, OUT_READER when nobody reads it.
rt::Status printText(const std::string &text);

} // namespace llmc
