// Where each thread of this process stands, as the kernel tells it.
#pragma once

#include <string>

namespace llmc::rt {

/// A line a thread: number, name, state (R runs, S sleeps, D waits for a disk), seconds of CPU, and the kernel's
/// function that it sleeps in, where that may be known. Empty without /proc.
std::string threadList();

}  // namespace llmc::rt
