// How fast a device copies inside its memory: the roof that decode speed is held against.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/device/cuda/stream.h"

namespace llmc::rt::cuda {

/// Best of `rounds` copies of `bytes` (0: 256 MiB, or a quarter of free memory if that is less), in bytes read and
/// written a second. Errors: CU_MEMORY (69), those of Driver.
Result<double> measureCopyBandwidth(const Stream& stream, uint64_t bytes = 0, int rounds = 8);

}  // namespace llmc::rt::cuda
