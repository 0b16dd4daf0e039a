// Packing: sizes first, then each array behind the last, with zeros where kernels may read past an end.
#include "runtime/exec/cuda/device_batch.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "runtime/format/cuda_abi.h"

namespace llmc::rt::cuda {
namespace {

constexpr uint64_t kAlignment = 64;  ///< of each array
constexpr uint64_t kHeaderBytes = (sizeof(Batch) + kAlignment - 1) / kAlignment * kAlignment;

uint64_t arrayBytes(uint64_t entries) {
  return ((entries + kPaddingRows) * 4 + kAlignment - 1) / kAlignment * kAlignment;
}

/// Fills a block from its start; pointers that it hands out are the device's.
class Packer {
 public:
  Packer(uint8_t* host, CuAddress device) : host_(host), device_(device) {}

  const int32_t* add(const int32_t* values, uint64_t entries) {
    int32_t* to = take(entries);
    std::copy_n(values, entries, to);
    return onDevice(to);
  }
  /// `rows` rows of `from` entries each, cut to `to` entries.
  const int32_t* addRows(const int32_t* values, uint64_t rows, uint64_t from, uint64_t to) {
    int32_t* out = take(rows * to);
    for (uint64_t row = 0; row < rows; ++row) std::copy_n(values + row * from, to, out + row * to);
    return onDevice(out);
  }
  /// Records of whole words; null for none.
  template <typename T>
  const T* addRecords(std::span<const T> values) {
    static_assert(sizeof(T) % 4 == 0);
    if (values.empty()) return nullptr;
    int32_t* to = take(values.size_bytes() / 4);
    std::memcpy(to, values.data(), values.size_bytes());
    return reinterpret_cast<const T*>(onDevice(to));
  }
  uint64_t bytes() const { return at_; }

 private:
  int32_t* take(uint64_t entries) {
    auto* to = reinterpret_cast<int32_t*>(host_ + at_);
    const uint64_t bytes = arrayBytes(entries);
    std::memset(host_ + at_ + entries * 4, 0, bytes - entries * 4);
    at_ += bytes;
    return to;
  }
  const int32_t* onDevice(const int32_t* host) const {
    return reinterpret_cast<const int32_t*>(device_ + (reinterpret_cast<const uint8_t*>(host) - host_));
  }

  uint8_t* host_;
  CuAddress device_;
  uint64_t at_ = kHeaderBytes;
};

}  // namespace

uint64_t DeviceBatch::bytesFor(const StepLimits& limits, Numerics numerics) {
  const uint64_t sequences = numerics == Numerics::kInvariant ? limits.maxTokens : limits.maxSequences;
  const uint64_t stride = (uint64_t{limits.maxContext} + kPageTokens - 1) / kPageTokens;
  return kHeaderBytes + 4 * arrayBytes(limits.maxTokens) + arrayBytes(sequences + 1) + arrayBytes(sequences) +
         2 * arrayBytes(limits.maxRows) + arrayBytes(sequences * stride) +
         arrayBytes(uint64_t{limits.maxRows} * sizeof(SampleRow) / 4) + arrayBytes(kMostEdits * sizeof(SampleEdit) / 4);
}

Result<DeviceBatch> DeviceBatch::create(const Context& context, const StepLimits& limits, Numerics numerics) {
  const uint64_t bytes = bytesFor(limits, numerics);
  DeviceBatch batch;
  for (PinnedBuffer& block : batch.host_) {
    auto host = PinnedBuffer::create(context, bytes, "the batch");
    LLMC_TRY(host.status());
    block = host.take();
  }
  auto device = DeviceBuffer::create(context, bytes, "the batch");
  LLMC_TRY(device.status());
  batch.device_ = device.take();
  return batch;
}

Status DeviceBatch::send(const Stream& stream, const Batch& batch, const StepSampling& sampling, CuAddress lastTokens) {
  static_assert(sizeof(Batch) == 112, "a new field of Batch needs its line here");
  const auto tokens = static_cast<uint64_t>(batch.tokens), sequences = static_cast<uint64_t>(batch.sequences);
  int32_t longest = 1;
  for (uint64_t i = 0; i < sequences; ++i) longest = std::max(longest, batch.contextLens[i]);
  Batch packed = batch;
  packed.blockStride = (longest + static_cast<int32_t>(kPageTokens) - 1) / static_cast<int32_t>(kPageTokens);
  packed.lastTokens = reinterpret_cast<const float*>(lastTokens);
  const PinnedBuffer& host = host_[turn_];
  turn_ = 1 - turn_;
  Packer packer(host.data(), device_.address());
  packed.tokenIds = packer.add(batch.tokenIds, tokens);
  packed.positions = packer.add(batch.positions, tokens);
  packed.slots = packer.add(batch.slots, tokens);
  packed.tokenSeq = packer.add(batch.tokenSeq, tokens);
  packed.queryStarts = packer.add(batch.queryStarts, sequences + 1);
  packed.contextLens = packer.add(batch.contextLens, sequences);
  packed.sampleRows = packer.add(batch.sampleRows, static_cast<uint64_t>(batch.rows));
  packed.logitsWanted = packer.add(batch.logitsWanted, static_cast<uint64_t>(batch.rows));
  packed.blockTable = packer.addRows(batch.blockTable, sequences, static_cast<uint64_t>(batch.blockStride),
                                     static_cast<uint64_t>(packed.blockStride));
  packed.samples = packer.addRecords(sampling.rows);
  packed.edits = packer.addRecords(sampling.edits);
  assert(packer.bytes() <= host.size());
  std::memcpy(host.data(), &packed, sizeof packed);
  return stream.copy(device_.address(), hostAddress(host.data()), packer.bytes());
}

}  // namespace llmc::rt::cuda
