// The CUDA device that an engine runs on: which one, what fits on it, and the parts of a session that live there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/status.h"
#include "runtime/exec/cuda/device_backend.h"
#include "runtime/exec/cuda/level_choice.h"
#include "runtime/exec/executor.h"
#include "runtime/format/engine_reader.h"
#include "runtime/kv/kv_store.h"

namespace llmc::rt {

/// What --device asks for.
struct DeviceChoice {
  bool cuda = false;
  int ordinal = 0;  ///< with cuda
};

/// Whether `wanted` leaves the choice to llmc-run: "" or "auto".
inline bool isAutomatic(const std::string& wanted) { return wanted.empty() || wanted == "auto"; }

/// The device for an engine: `wanted` ("cpu", "cuda", "cuda:N"), or the one that it was built for. Errors: CLI_FLAG
/// (64) for what is no device, RT_DEVICE (78) when the engine has no code for it.
Result<DeviceChoice> chooseDevice(const std::string& wanted, const fb::Engine& plan);

/// Sizes on the device, in bytes.
struct DeviceRoom {
  uint64_t weights = 0, workspace = 0, reserve = 0;  ///< reserve: what the driver takes for itself beside them
  uint64_t free = 0, total = 0;                      ///< before anything of ours is there
  uint64_t kv = 0;                                   ///< what is left for the KV cache
};

/// Driver, context and stream of one process on one device. Belongs to the thread that opened it; outlives the store
/// and the backend that it makes.
class DeviceSession {
 public:
  /// Chooses the engine's level for the device (LLMC_CUDA_LEVEL: that one).
  /// Errors: CU_* (69, 78), CU_OLD_DRIVER (69) for a driver whose loader does not take what NVRTC 13.0 makes.
  static Result<std::unique_ptr<DeviceSession>> open(const fb::Engine& plan, int ordinal);

  const cuda::Context& context() const { return *context_; }
  const cuda::Stream& stream() const { return *stream_; }
  uint32_t level() const { return choice_.index; }  ///< index in plan.levels()
  /// "cuda:0 NVIDIA H100 80GB HBM3, CUDA 13.0".
  std::string name() const;

  /// What steps within `limits` leave for the KV cache. Error CU_MEMORY (69) with all sizes when the engine alone does
  /// not fit.
  Result<DeviceRoom> room(const EngineFile& engine, const StepLimits& limits, Numerics numerics) const;
  Result<std::unique_ptr<KvStore>> makeKv(uint64_t pageBytes, uint32_t pages) const;
  /// Loads code and weights of `engine`, whose level is activated; says how far it is on a terminal. A notice says when
  /// the level is PTX, which the driver has compiled, or not the best one.
  Result<std::unique_ptr<Executor>> makeExecutor(const EngineFile& engine, WorkerPool& pool, const StepLimits& limits,
                                                 const KvStore& kv, const cuda::BackendOptions& options,
                                                 bool madeUpWeights) const;

 private:
  DeviceSession() = default;
  Result<cuda::DeviceCode> loadCode(const EngineFile& engine) const;

  std::unique_ptr<cuda::Driver> driver_;
  std::unique_ptr<cuda::Context> context_;
  std::unique_ptr<cuda::Stream> stream_;
  cuda::LevelChoice choice_;
};

}  // namespace llmc::rt
