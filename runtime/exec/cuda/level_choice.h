// Which of a CUDA engine's code sections a device runs, and whether its driver takes any.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/cuda/context.h"
#include "runtime/format/engine_generated.h"

namespace llmc::rt::cuda {

/// What `llmc build --target cuda:` takes for a device of this compute capability: its own architecture, else the
/// newest one before it, whose cubins (same generation, not for one device alone) or PTX it runs. Empty: older than
/// all. Pure.
std::string_view archFor(int major, int minor);

/// Error CU_OLD_DRIVER (69) for a driver that serves CUDA `version` (as cuDriverGetVersion says it), whose loader does
/// not take what NVRTC 13.0 makes. Pure.
Status checkDriverVersion(int version);

/// A level of an engine, and the most that a block of any of its kernels needs.
struct CodeLevel {
  std::string_view name;     ///< "cuda:sm_90a", "cuda:compute_90"
  uint64_t sharedBytes = 0;  ///< of shared memory, static and dynamic together
};

/// The levels of a plan for CUDA, in its order; names are the plan's.
std::vector<CodeLevel> codeLevels(const fb::Engine& plan);

struct LevelChoice {
  uint32_t index = 0;
  bool compiles = false;    ///< it is PTX: the driver makes code of it when it loads it
  std::string reason = {};  ///< for people: why it is PTX, or why no better level; empty where all is as it should be
};

/// The level to load on a device of compute capability `facts`.major.minor with `facts`.sharedBytes for a block: cubins
/// for it, then cubins for an older one of the same generation, then the newest PTX that it can compile; of these the
/// first whose kernels fit. `wanted` (LLMC_CUDA_LEVEL), when not empty, must be one of them and fit. Errors (78) name
/// the device: CU_NO_CODE with the engine's levels; CU_SHARED when code for it is there, with what each level needs.
/// Pure.
Result<LevelChoice> selectLevel(std::span<const CodeLevel> levels, const DeviceFacts& facts,
                                std::string_view wanted = {});

/// What a person reads once level `name` is loaded, in one line: "runs cuda:compute_90, which the driver compiled in
/// 1.20 s: no cubin of the engine (cuda:sm_90a) is for X (sm_100); --target cuda:sm_100a makes code for it". Empty
/// where `choice` has no reason. Pure.
std::string loadedNotice(std::string_view name, const LevelChoice& choice, double loadSeconds);

}  // namespace llmc::rt::cuda
