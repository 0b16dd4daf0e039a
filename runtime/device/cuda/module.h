// Code on the device: a cubin or PTX image and its kernels.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/device/cuda/context.h"

namespace llmc::rt::cuda {

/// One loaded image. Its kernels live as long as it. Move only.
class Module {
 public:
  Module() = default;
  /// `image`: the bytes of a cubin, or of PTX with a zero at its end. Error CU_NO_CODE (78) when the driver does not
  /// take it.
  static Result<Module> load(const Context& context, const void* image);
  Module(Module&& other) noexcept : context_(other.context_), module_(std::exchange(other.module_, nullptr)) {}
  Module& operator=(Module&& other) noexcept;
  ~Module();

  /// The kernel `symbol`, allowed `sharedBytes` of dynamic shared memory beside the `staticBytes` that it declares.
  /// Errors: CU_CALL (71) when there is none, CU_SHARED (78) when a block of the device has less than both.
  Result<CuFunction> kernel(const std::string& symbol, uint32_t sharedBytes, uint32_t staticBytes = 0) const;

 private:
  const Context* context_ = nullptr;
  CuModule module_ = nullptr;
};

}  // namespace llmc::rt::cuda
