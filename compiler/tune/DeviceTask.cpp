// Memory of steps.
#include "compiler/tune/DeviceTask.h"

#include "runtime/format/kernel_abi.h"
#include <algorithm>
#include <cstring>
#include <random>

namespace llmc {

using namespace rt::cuda;

rt::Result<uint64_t> DeviceWorks::take(const Stream &stream, uint64_t bytes) {
  auto buffer = DeviceBuffer::create(stream.context(), bytes, "the measurement of a kernel");
  LLMC_TRY(buffer.status());
  LLMC_TRY(stream.fill(buffer->address(), 0, buffer->size()));
  buffers.push_back(buffer.take());
  return buffers.back().address();
}

rt::Status DeviceWorks::takeSweep(const Stream &stream) {
  /// More than the largest second-level cache there is, where the device has room.
  constexpr uint64_t kSweepBytes = uint64_t{256} << 20, kLeastBytes = 1 << 16;
  auto free = stream.context().memory();
  LLMC_TRY(free.status());
  sweepBytes = std::clamp(free->free / 4, kLeastBytes, kSweepBytes);
  auto taken = take(stream, sweepBytes);
  LLMC_TRY(taken.status());
  sweep = *taken;
  return rt::Status::ok();
}

rt::Status store(const Stream &stream, uint64_t address, const void *data, uint64_t bytes) {
  LLMC_TRY(stream.copy(address, hostAddress(data), bytes));
  return stream.synchronize();
}

rt::Status fillWith(const Stream &stream, uint64_t address, uint64_t bytes, const std::vector<uint8_t> &unit) {
  uint64_t done = std::min<uint64_t>(bytes, unit.size());
  LLMC_TRY(store(stream, address, unit.data(), done));
  while (done < bytes) { // what is there doubles, in whole units
    const uint64_t more = std::min(done, bytes - done);
    LLMC_TRY(stream.copy(address + done, address, more));
    done += more;
  }
  return rt::Status::ok();
}

std::vector<uint8_t> randomBytes(size_t bytes, uint64_t mask, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> data(bytes);
  for (size_t at = 0; at + 8 <= data.size(); at += 8) {
    const uint64_t bits = random() & mask;
    std::memcpy(&data[at], &bits, 8);
  }
  return data;
}

std::vector<float> rowsOf(const std::vector<uint8_t> &out, int64_t rows, int64_t columns) {
  std::vector<float> values(static_cast<size_t>(rows * columns));
  const auto bytes = static_cast<size_t>(columns) * 4, stride = static_cast<size_t>(rt::rowStrideBytes(bytes));
  for (size_t row = 0; row < static_cast<size_t>(rows); ++row)
    std::memcpy(&values[row * static_cast<size_t>(columns)], &out[row * stride], bytes);
  return values;
}

} // namespace llmc
