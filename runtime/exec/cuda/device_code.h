// The kernels of an engine's level, loaded on a device: one handle a variant.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/cuda/module.h"
#include "runtime/format/engine_generated.h"

namespace llmc::rt::cuda {

/// Owns the modules. Handles are valid as long as it.
class DeviceCode {
 public:
  DeviceCode() = default;
  /// `image`: address of the cubin or PTX at an offset of the level's section, null outside. Errors: RT_PLAN (70),
  /// CU_NO_CODE (78) naming the kernel, CU_SHARED (78), those of Driver.
  static Result<DeviceCode> load(const Context& context, const fb::Engine& plan, uint32_t level,
                                 const std::function<const void*(uint64_t offset)>& image);

  int multiprocessors() const { return multiprocessors_; }
  /// Requires: both as in the plan.
  CuFunction function(uint32_t kernel, uint32_t variant) const { return functions_[kernel][variant]; }

 private:
  int multiprocessors_ = 0;             ///< of the device
  std::map<uint64_t, Module> modules_;  ///< by offset: variants may share a cubin
  std::vector<std::vector<CuFunction>> functions_;
};

}  // namespace llmc::rt::cuda
