// One program of a CUDA plan with every argument resolved: enqueues the launches of a step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/cuda/stream.h"
#include "runtime/exec/bound_program.h"
#include "runtime/exec/cuda/device_code.h"
#include "runtime/exec/workspace.h"
#include "runtime/format/cuda_abi.h"

namespace llmc::rt::cuda {

/// Where arguments point to, in device memory.
struct DeviceAddresses {
  CuAddress arena = 0, kv = 0, batch = 0;
  std::vector<CuAddress> weights;  ///< as Engine.weights counts them
};

/// What a step's launches are counted by. For a graph: those of its bucket.
struct StepCounts {
  uint32_t tokens = 0, rows = 0, sequences = 0;
};

/// Used by one thread. `code` and the plan must outlive it.
class DeviceProgram {
 public:
  /// Error RT_PLAN (70) when an index of the plan has no address.
  static Result<std::unique_ptr<DeviceProgram>> bind(const fb::Engine& plan, uint32_t level, uint32_t program,
                                                     const DeviceCode& code, const DeviceAddresses& addresses,
                                                     const StepLimits& limits, Numerics numerics);
  DeviceProgram(const DeviceProgram&) = delete;
  DeviceProgram& operator=(const DeviceProgram&) = delete;

  /// Whether a step of `tokens` tokens, `mostQueries` of them at most in one sequence, may run it.
  bool takes(uint32_t tokens, uint32_t mostQueries) const {
    return (maxTokens_ == 0 || tokens <= maxTokens_) && (maxQueries_ == 0 || mostQueries <= maxQueries_);
  }
  /// Only steps in which every sequence has one token: those that graphs are made for.
  bool decodes() const { return maxQueries_ == 1; }

  /// Puts all launches into `stream`; those on rows are left out when there are none. Errors name the kernel.
  Status enqueue(const Stream& stream, const StepCounts& counts) const;
  CuAddress logits() const { return logits_; }
  CuAddress argmax() const { return argmax_; }  ///< as the plan's argmax slot; 0 without one
  uint32_t tiles() const { return tiles_; }     ///< of a row of logits; 0 without an argmax
  CuAddress tokens() const { return tokens_; }  ///< as the plan's sample slot; 0 without one

 private:
  DeviceProgram() = default;
  void bindKernels(const fb::Engine& plan, uint32_t level, const DeviceCode& code);
  Status bindLaunches(const fb::Program& program, const DeviceAddresses& addresses, const UnitCounts& units);

  struct Variant {
    uint32_t maxRows;  ///< of M; 0: any
    CuFunction function;
    GridDim grid[3];
    uint32_t threads, sharedBytes;
    uint32_t mostBlocks;  ///< in x; 0: no limit
    bool waits;           ///< for the launch before
  };
  struct Kernel {
    const fb::Kernel* plan;
    bool onRows;  ///< M is S, else T
    std::vector<Variant> variants;
  };
  struct Launch {
    uint32_t kernel, firstArg;
  };

  std::vector<Kernel> kernels_;
  std::vector<uint64_t> args_;  ///< words of all launches
  std::vector<Launch> launches_;
  uint32_t maxTokens_ = 0, maxQueries_ = 0;
  Numerics numerics_ = Numerics::kFast;
  CuAddress logits_ = 0, argmax_ = 0, tokens_ = 0;
  uint32_t tiles_ = 0;
};

}  // namespace llmc::rt::cuda
