// What runs built batches in place of the worker pool: a device with memory of its own.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/status.h"
#include "runtime/format/cuda_abi.h"
#include "runtime/format/kernel_abi.h"

namespace llmc::rt {

/// What a backend that samples does with the rows of a step. None: it finds the best tokens alone.
struct StepSampling {
  std::span<const cuda::SampleRow> rows;  ///< [S], or empty
  std::span<const cuda::SampleEdit> edits;
};

/// What a step leaves in host memory, valid until the next one is finished.
struct StepResults {
  /// [S, vocab] f32, row stride rowStrideBytes(4 * vocab). Only rows that Batch::logitsWanted names, and that
  /// StepSampling leaves to the host, are there when the program finds the largest ones.
  const float* logits = nullptr;
  uint32_t tiles = 0;  ///< of a row of logits; 0: the program finds no largest ones, or tokens are there
  const float* argmax =
      nullptr;  ///< [S, 2 * tiles] f32, row stride rowStrideBytes(8 * tiles), as the plan's argmax slot
  const float* tokens = nullptr;  ///< [S] as StepSampling asks, -1: the host's; row stride rowStrideBytes(4). Or null
};

/// Used by the executor's thread. Two virtual calls a step.
class StepBackend {
 public:
  virtual ~StepBackend() = default;
  /// Sets a step over `batch` going, whose arrays are in host memory and may change once this returns. A token id of
  /// -1 - r is the token of row r of the step that was started before. After an error no step was started, and nothing
  /// of it runs any more. Requires: no step is under way, or one, ahead(), and a sampling of no row that is the host's.
  virtual Status start(const Batch& batch, const StepSampling& sampling) = 0;
  /// Waits for the step that was started first of those under way. After an error it is over too.
  virtual Result<StepResults> finish() = 0;
  /// Whether a step may start while another is under way.
  virtual bool ahead() const = 0;
  /// Whether it takes a StepSampling.
  virtual bool samples() const = 0;
  /// Brings row `row` of the last step's logits to StepResults::logits, which had been left where it was. Error RT_STEP
  /// (70) while a step is under way: the row is the next one's then.
  virtual Status fetchLogits(uint32_t row) = 0;
  virtual uint64_t workspaceBytes() const = 0;
};

}  // namespace llmc::rt
