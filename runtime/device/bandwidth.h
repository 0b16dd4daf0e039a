// How fast the workers together read memory: the roof that decode speed is held against.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/device/worker_pool.h"

namespace llmc::rt {

/// Best read bandwidth in bytes a second over `rounds` passes of all workers over one buffer of `bytes` (0: 8 times the
/// last level cache, at least 256 MiB, at most a quarter of available memory). Takes a few 10 ms. Error RT_MEMORY.
Result<double> measureReadBandwidth(WorkerPool& pool, uint64_t bytes = 0, int rounds = 4);

}  // namespace llmc::rt
