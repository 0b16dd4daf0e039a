// Pages of a device.
#include "runtime/kv/cuda/device_pages.h"

namespace llmc::rt::cuda {
namespace {

class DevicePages : public PageMemory {
 public:
  DevicePages(const Stream& stream, DeviceBuffer buffer) : stream_(stream), buffer_(std::move(buffer)) {}
  uint8_t* base() const override { return reinterpret_cast<uint8_t*>(buffer_.address()); }
  bool onDevice() const override { return true; }
  Status copy(uint8_t* to, const uint8_t* from, uint64_t bytes) override {
    return stream_.copy(hostAddress(to), hostAddress(from), bytes);
  }
  Status fill(uint8_t* to, uint8_t value, uint64_t bytes) override {
    return stream_.fill(hostAddress(to), value, bytes);
  }
  Status wait() override { return stream_.synchronize(); }

 private:
  const Stream& stream_;
  DeviceBuffer buffer_;
};

}  // namespace

Result<std::unique_ptr<PageMemory>> devicePages(const Stream& stream, uint64_t bytes) {
  auto buffer = DeviceBuffer::create(stream.context(), bytes, "the KV cache");
  LLMC_TRY(buffer.status());
  const CuAddress address = buffer->address();
  auto pages = std::make_unique<DevicePages>(stream, buffer.take());
  LLMC_TRY(stream.fill(address, 0, bytes));
  return std::unique_ptr<PageMemory>(std::move(pages));
}

}  // namespace llmc::rt::cuda
