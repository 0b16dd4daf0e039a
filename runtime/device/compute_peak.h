// How fast the workers together multiply and add: the roofs that products of many rows are held against.
#pragma once

#include <string>
#include <string_view>

#include "runtime/device/worker_pool.h"

namespace llmc::rt {

/// Operations a second of all workers, a multiply-accumulate counting as two, from loops of one instruction on
/// registers.
struct ComputePeaks {
  double int8 = 0;      ///< dot products of bytes, summed in 32 bits (16 without VNNI)
  double int16 = 0;     ///< dot products of 16-bit integers, summed in 32 bits
  double f32 = 0;       ///< FMA
  double bf16 = 0;      ///< dot products of bf16; 0: the level has none
  std::string int8How;  ///< "vpdpbusd, 512 bits"
  int vectorBits = 0;   ///< 256 or 512
};

/// Peaks of the instructions that code of `level` ("x86-64-v4-vnni", ...) uses; takes about 80 ms. `level` must be
/// supported by this machine (supportsLevel()). All zero for a level without a name here.
ComputePeaks measureComputePeaks(WorkerPool& pool, std::string_view level);

/// The larger peak of each kind of two measurements of one level: a virtual CPU may share its core during one of them.
ComputePeaks betterPeaks(const ComputePeaks& a, const ComputePeaks& b);

}  // namespace llmc::rt
