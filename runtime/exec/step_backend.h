// What runs built batches in place of the worker pool: a device with memory of its own.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/format/kernel_abi.h"

namespace llmc::rt {

/// What a step leaves in host memory, valid until the next one.
struct StepResults {
  /// [S, vocab] f32, row stride rowStrideBytes(4 * vocab). Only rows that Batch::logitsWanted names are there when the
  /// program finds the largest ones.
  const float* logits = nullptr;
  uint32_t tiles = 0;  ///< of a row of logits; 0: the program finds no largest ones
  const float* argmax =
      nullptr;  ///< [S, 2 * tiles] f32, row stride rowStrideBytes(8 * tiles), as the plan's argmax slot
};

/// Used by the executor's thread. One virtual call a step.
class StepBackend {
 public:
  virtual ~StepBackend() = default;
  /// Runs a step over `batch`, whose arrays are in host memory.
  virtual Result<StepResults> run(const Batch& batch) = 0;
  virtual uint64_t workspaceBytes() const = 0;
};

}  // namespace llmc::rt
