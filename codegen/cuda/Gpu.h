// What the usual GPU of each architecture can do by its data sheet: numbers to choose and to predict by.
#pragma once

#include "codegen/cuda/Arch.h"

namespace llmc {

/// The largest GPU of an architecture as its data sheet gives it; nothing of it is measured here.
struct Gpu {
  llvm::StringRef arch, device;
  int64_t multiprocessors;
  double memoryGBs, l2GBs, bf16Tflops; ///< of mma.sync
  int64_t threads, sharedBytes;        ///< of a multiprocessor
  int64_t l2Megabytes;
};

/// That of `arch`; of an architecture without one, the first.
const Gpu &gpuOf(const Arch &arch);

/// What products of warpgroups reach of an H100's 989.
inline constexpr double kWarpgroupTflops = 780;
inline constexpr double kMemoryLatencyUs = 1.3;
/// What one multiprocessor gets of L2.
inline constexpr double kSmL2GBs = 100;

} // namespace llmc
