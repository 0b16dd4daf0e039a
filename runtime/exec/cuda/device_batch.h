// A step's batch in one pinned block that one copy brings to the device.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/stream.h"
#include "runtime/exec/batch_builder.h"
#include "runtime/exec/bound_program.h"
#include "runtime/exec/step_backend.h"

namespace llmc::rt::cuda {

/// The Batch struct at the block's start, then its arrays, packed anew for each step: only what the step has is copied.
/// Rows of the block table are as long as the step's longest sequence needs.
class DeviceBatch {
 public:
  DeviceBatch() = default;
  static Result<DeviceBatch> create(const Context& context, const StepLimits& limits, Numerics numerics);
  /// Of device memory, for plans of what fits.
  static uint64_t bytesFor(const StepLimits& limits, Numerics numerics);

  /// Enqueues the copy. The block must not change until the stream has done it. Requires: `batch` within the limits.
  /// `sampling`: of its rows, or empty.
  Status send(const Stream& stream, const Batch& batch, const StepSampling& sampling = {});
  CuAddress address() const { return device_.address(); }  ///< of the Batch struct on the device; never changes

 private:
  PinnedBuffer host_;
  DeviceBuffer device_;
};

}  // namespace llmc::rt::cuda
