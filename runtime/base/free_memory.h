// The memory that a process has freed and its allocator still holds.
#pragma once

namespace llmc::rt {

/// Gives the kernel back whole pages that are free in the heap: what a peak has left between smaller blocks that live
/// on stays resident otherwise for as long as the process runs. Any thread; others that allocate meanwhile wait for one
/// arena at a time (some milliseconds for tens of MiB). Nothing where the C library has no such call.
void releaseFreeMemory();

}  // namespace llmc::rt
