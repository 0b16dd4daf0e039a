// Time since the process started, so that time to first token includes loading and the dynamic linker.
#pragma once

namespace llmc::rt {

/// Milliseconds since this process was started, by the kernel's record (10 ms steps, rounded against us); since the
/// first call when /proc cannot be read.
double millisecondsSinceStart();

/// Seconds of a monotonic clock, for differences.
double monotonicSeconds();

/// Seconds that the calling thread had a CPU, for differences.
double threadCpuSeconds();

}  // namespace llmc::rt
