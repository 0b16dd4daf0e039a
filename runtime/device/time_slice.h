// How long a thread may run before the kernel looks for another one.
#pragma once

#include <cstdint>

namespace llmc::rt {

/// Asks for time slices of `nanoseconds` for the calling thread (0: the system's), whose share of the CPU stays what it
/// is: a thread of short slices is let in sooner when it wakes beside one that is always busy. Linux 6.12 and later do
/// so for the normal policies; elsewhere nothing happens. Returns the slice before, 0 when none was asked for.
uint64_t setTimeSlice(uint64_t nanoseconds);

}  // namespace llmc::rt
