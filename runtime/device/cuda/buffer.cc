// Allocation with numbers in its refusals.
#include "runtime/device/cuda/buffer.h"

#include <algorithm>
#include <string>

#include "runtime/device/machine_memory.h"
#include "runtime/device/memory.h"

namespace llmc::rt::cuda {

Result<DeviceBuffer> DeviceBuffer::create(const Context& context, uint64_t bytes, std::string_view what) {
  DeviceBuffer buffer;
  buffer.context_ = &context;
  const uint64_t size = std::max<uint64_t>(bytes, 1);
  Status status = context.driver().call(context.driver().api().cuMemAlloc, &buffer.address_, size_t{size});
  if (status) {
    buffer.size_ = size;
    return buffer;
  }
  buffer.address_ = 0;
  if (status.code() != "CU_MEMORY") return status;
  std::string text = "cannot get " + formatBytes(size) + " of device memory for " + std::string(what);
  if (auto memory = context.memory())
    text += ": " + formatBytes(memory->free) + " of " + formatBytes(memory->total) +
            " are free on cuda:" + std::to_string(context.facts().ordinal) + " (" + context.facts().name + ")";
  return Status::error(ErrorKind::kUnavailable, "CU_MEMORY", std::move(text),
                       "lower --kv-memory or --max-num-batched-tokens, or free memory of the device");
}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

DeviceBuffer::~DeviceBuffer() {
  if (address_) context_->driver().release(context_->driver().api().cuMemFree, address_);
}

Result<PinnedBuffer> PinnedBuffer::create(const Context& context, uint64_t bytes, std::string_view what) {
  PinnedBuffer buffer;
  buffer.context_ = &context;
  const uint64_t size = std::max<uint64_t>(bytes, 1);
  void* data = nullptr;
  Status status = context.driver().call(context.driver().api().cuMemHostAlloc, &data, size_t{size}, 0u);
  if (status) {
    buffer.data_ = static_cast<uint8_t*>(data);
    buffer.size_ = size;
    return buffer;
  }
  if (status.code() != "CU_MEMORY") return status;
  return Status::error(ErrorKind::kUnavailable, "CU_MEMORY",
                       "cannot pin " + formatBytes(size) + " of host memory for " + std::string(what) + ": " +
                           formatBytes(availableMemoryBytes()) + " are free",
                       "free memory or raise the limit");
}

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

PinnedBuffer::~PinnedBuffer() {
  if (data_) context_->driver().release(context_->driver().api().cuMemFreeHost, static_cast<void*>(data_));
}

}  // namespace llmc::rt::cuda
