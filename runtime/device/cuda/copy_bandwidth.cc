// Device to device, timed by events around each copy.
#include "runtime/device/cuda/copy_bandwidth.h"

#include <algorithm>

#include "runtime/device/cuda/buffer.h"

namespace llmc::rt::cuda {

Result<double> measureCopyBandwidth(const Stream& stream, uint64_t bytes, int rounds) {
  constexpr uint64_t kBytes = 256u << 20, kGranule = 4096;
  if (bytes == 0) {
    auto memory = stream.context().memory();
    LLMC_TRY(memory.status());
    bytes = std::max(std::min(kBytes, memory->free / 4) / kGranule * kGranule, kGranule);
  }
  auto from = DeviceBuffer::create(stream.context(), bytes, "the bandwidth measurement");
  LLMC_TRY(from.status());
  auto to = DeviceBuffer::create(stream.context(), bytes, "the bandwidth measurement");
  LLMC_TRY(to.status());
  auto start = Event::create(stream.context()), end = Event::create(stream.context());
  LLMC_TRY(start.status());
  LLMC_TRY(end.status());
  LLMC_TRY(stream.fill(from->address(), 1, bytes));
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    LLMC_TRY(stream.record(*start));
    LLMC_TRY(stream.copy(to->address(), from->address(), bytes));
    LLMC_TRY(stream.record(*end));
    LLMC_TRY(stream.synchronize());
    auto milliseconds = end->millisecondsSince(*start);
    LLMC_TRY(milliseconds.status());
    // A clock too coarse for the copy says 0: no rate then.
    if (*milliseconds > 0) best = std::max(best, 2 * static_cast<double>(bytes) / (*milliseconds / 1e3));
  }
  return best;
}

}  // namespace llmc::rt::cuda
