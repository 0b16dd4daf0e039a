// The whole program behind main(): flags in, exit status out. A function so that tests can call it.
#pragma once

namespace llmc::rt {

/// Parses `argv`, runs the mode it names, prints errors to stderr. Returns the process exit status (status.h).
int runMain(int argc, const char* const* argv);

}  // namespace llmc::rt
