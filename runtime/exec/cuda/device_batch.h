// A step's batch in a pinned block that one copy brings to the device.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/stream.h"
#include "runtime/exec/batch_builder.h"
#include "runtime/exec/bound_program.h"
#include "runtime/exec/step_backend.h"

namespace llmc::rt::cuda {

/// The Batch struct at the block's start, then its arrays, packed anew for each step: only what the step has is copied.
/// Rows of the block table are as long as the step's longest sequence needs. Two blocks in turn, so that a step can be
/// packed while the copy of the one before waits; on the device the stream's order keeps them apart.
class DeviceBatch {
 public:
  DeviceBatch() = default;
  static Result<DeviceBatch> create(const Context& context, const StepLimits& limits, Numerics numerics);
  /// Of device memory, for plans of what fits.
  static uint64_t bytesFor(const StepLimits& limits, Numerics numerics);

  /// Enqueues the copy. Requires: `batch` within the limits, and that the stream has done the copy of the last but one.
  /// `sampling`: of its rows, or empty. `lastTokens`: Batch::lastTokens.
  Status send(const Stream& stream, const Batch& batch, const StepSampling& sampling = {}, CuAddress lastTokens = 0);
  CuAddress address() const { return device_.address(); }  ///< of the Batch struct on the device; never changes

 private:
  std::array<PinnedBuffer, 2> host_;
  size_t turn_ = 0;  ///< the block packed next
  DeviceBuffer device_;
};

}  // namespace llmc::rt::cuda
