// Runs steps on a CUDA device: the batch over, a program's kernels or a graph of them, tokens or logits back. The next
// step may be enqueued while one runs, with the tokens that the first one leaves on the device.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/cuda/graph.h"
#include "runtime/exec/cuda/device_batch.h"
#include "runtime/exec/cuda/device_code.h"
#include "runtime/exec/cuda/device_program.h"
#include "runtime/exec/cuda/device_weights.h"
#include "runtime/exec/step_backend.h"

namespace llmc::rt::cuda {

/// What a backend runs: a plan, its code and its weights, both loaded.
struct DeviceEngine {
  const fb::Engine* plan = nullptr;
  uint32_t level = 0;  ///< index in plan->levels()
  DeviceCode code;
  DeviceWeights weights;
};

struct BackendOptions {
  Numerics numerics = Numerics::kFast;
  bool graphs = true;  ///< for steps in which each sequence decodes one token
};

/// Errors of a step leave it unusable when the device has failed; Driver then remembers.
class DeviceBackend : public StepBackend {
 public:
  /// Records a graph for each number of sequences 1, 2, 4, ... and limits.maxSequences. `stream`, `engine.plan` and the
  /// pages at `kv` must outlive it. Errors: RT_LIMITS (64), RT_MEMORY, CU_MEMORY (69), RT_PLAN (70), those of Driver.
  static Result<std::unique_ptr<DeviceBackend>> create(const Stream& stream, DeviceEngine engine,
                                                       const StepLimits& limits, CuAddress kv,
                                                       const BackendOptions& options = {});
  /// Device memory beside weights and pages, for plans of what fits; nothing on overflow.
  static std::optional<uint64_t> bytesFor(const fb::Engine& plan, const StepLimits& limits, Numerics numerics);

  Status start(const Batch& batch, const StepSampling& sampling) override;
  Result<StepResults> finish() override;
  bool ahead() const override { return samples() && engine_.plan->abi_version() >= kLastTokensAbi; }
  bool samples() const override { return lastTokens_.size() > 0; }
  Status fetchLogits(uint32_t row) override;
  uint64_t workspaceBytes() const override { return arena_.size(); }
  uint32_t graphs() const { return static_cast<uint32_t>(graphs_.size()); }

 private:
  DeviceBackend(const Stream& stream, DeviceEngine engine, const StepLimits& limits)
      : stream_(stream), engine_(std::move(engine)), limits_(limits) {}
  Status bindPrograms(CuAddress kv, const BackendOptions& options);
  Status recordGraphs();
  Status reserveLogits(uint32_t rows);
  Status reserveResults();
  Status copyTokens(const DeviceProgram& program, uint32_t rows);
  Status copyBack(const Batch& batch, const StepSampling& sampling, const DeviceProgram& program);
  Status enqueueStep(const Batch& batch, const StepSampling& sampling);
  Status copyLogits(const DeviceProgram& program, uint32_t first, uint32_t end);
  Status enqueue(const Batch& batch, const DeviceProgram& program);
  const DeviceProgram& programFor(const Batch& batch) const;

  struct Bucket {
    uint32_t sequences;  ///< most of a step that it runs
    Graph graph;
  };
  /// A step between start() and finish().
  struct Flight {
    const DeviceProgram* program = nullptr;
    bool sampled = false;
    Event done;
    PinnedBuffer tokens;  ///< of all rows; empty unless all programs sample
  };

  const Stream& stream_;
  DeviceEngine engine_;
  const StepLimits limits_;
  DeviceBuffer arena_;
  DeviceBatch batch_;
  PinnedBuffer logits_;      ///< grows with the rows that steps ask for
  PinnedBuffer tiles_;       ///< of all rows; empty when no program finds the largest logits
  DeviceBuffer lastTokens_;  ///< of all rows of the step enqueued last; empty unless all programs sample
  std::array<Flight, 2> flights_;
  uint64_t started_ = 0, finished_ = 0;  ///< steps; step i is flights_[i % 2]
  std::vector<std::unique_ptr<DeviceProgram>> programs_;
  const DeviceProgram* graphed_ = nullptr;  ///< the program that graphs_ are of
  std::vector<Bucket> graphs_;              ///< ascending
};

}  // namespace llmc::rt::cuda
