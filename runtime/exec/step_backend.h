// What runs built batches in place of the worker pool: a device with memory of its own.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/format/kernel_abi.h"

namespace llmc::rt {

/// Used by the executor's thread. One virtual call a step.
class StepBackend {
 public:
  virtual ~StepBackend() = default;
  /// Runs a step over `batch`, whose arrays are in host memory, and returns its logits in host memory: [S, vocab] f32,
  /// row stride rowStrideBytes(4 * vocab), valid until the next call.
  virtual Result<const float*> run(const Batch& batch) = 0;
  virtual uint64_t workspaceBytes() const = 0;
};

}  // namespace llmc::rt
