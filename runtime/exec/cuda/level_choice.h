// Which of a CUDA engine's code sections a device runs.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/device/cuda/context.h"

namespace llmc::rt::cuda {

/// What `llmc build --target cuda:` takes for a device of this compute capability: its own architecture, else the
/// newest one before it, whose cubins (same generation, not for one device alone) or PTX it runs. Empty: older than
/// all. Pure.
std::string_view archFor(int major, int minor);

/// Index of the level of `levels` ("cuda:sm_90a", "cuda:compute_90") to load on a device of compute capability
/// `facts`.major.minor: cubins for it, then cubins for an older one of the same generation, then the newest PTX that it
/// can compile. `wanted` (LLMC_CUDA_LEVEL), when not empty, must be one of them and fit. Error CU_NO_CODE (78) names
/// the device and the engine's levels. Pure.
Result<uint32_t> selectLevel(std::span<const std::string_view> levels, const DeviceFacts& facts,
                             std::string_view wanted = {});

}  // namespace llmc::rt::cuda
