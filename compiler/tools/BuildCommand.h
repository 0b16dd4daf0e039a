// `llmc build`.
#pragma once

namespace llmc {

/// Runs `llmc build` with its own arguments (argv[0] is "build"); returns the exit status.
int runBuild(int argc, char **argv);

} // namespace llmc
