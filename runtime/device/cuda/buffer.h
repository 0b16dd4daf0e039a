// Memory of the device, and host memory that the device copies to and from without a detour.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/device/cuda/context.h"

namespace llmc::rt::cuda {

/// Device memory, aligned to 256 bytes, with undefined contents. Its address means nothing to host code. Move only;
/// giving it back waits for the work that uses it.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  /// Error CU_MEMORY (69) with `what` it is for, the size, and what is free.
  static Result<DeviceBuffer> create(const Context& context, uint64_t bytes, std::string_view what);
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : context_(other.context_), address_(std::exchange(other.address_, 0)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  ~DeviceBuffer();

  CuAddress address() const { return address_; }
  uint64_t size() const { return size_; }  ///< bytes

 private:
  const Context* context_ = nullptr;
  CuAddress address_ = 0;
  uint64_t size_ = 0;
};

/// Page-locked host memory: copies to and from the device run beside the host's work. Move only.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  /// Error CU_MEMORY (69) with `what` it is for and the size.
  static Result<PinnedBuffer> create(const Context& context, uint64_t bytes, std::string_view what);
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : context_(other.context_), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;
  ~PinnedBuffer();

  uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }  ///< bytes

 private:
  const Context* context_ = nullptr;
  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace llmc::rt::cuda
