// `llmc tune`: measures configurations of an engine's products on this machine into a database for `llmc build`.
#pragma once

#include <string>

namespace llmc {

/// Runs `llmc tune` with its own arguments (argv[0] is the command); returns the exit status.
int runTune(int argc, char **argv);

std::string tuneHelp();

} // namespace llmc
