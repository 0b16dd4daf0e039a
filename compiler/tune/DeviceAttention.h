// Attention as a task of `llmc tune` on a CUDA device: a paged cache that no other cache holds, one sequence and many.
#pragma once

#include "codegen/cuda/attention/AttendLayout.h"
#include "codegen/registry/AttentionKey.h"
#include "compiler/tune/DeviceTask.h"

namespace llmc {

/// What attention is measured with, as far as the device's memory reaches.
struct AttentionLoad {
  int64_t sequences = 32, context = 4096;
};

/// llm.attend or llm.attend_partial alone, their results stored as f32.
class DeviceAttention : public DeviceTask {
public:
  DeviceAttention(const CudaAttention &attention, const AttentionLoad &load);
  std::string family() const override { return "attend"; }
  std::string key() const override { return attentionKey(attention_); }
  int64_t mMax() const override { return 0; }
  std::vector<std::vector<TunedNumber>> candidates(const Arch &arch, size_t most) const override;
  std::string moduleText() const override;
  std::string symbol() const override { return "attend"; }
  /// Two. Of parts: a token of one sequence, and of all of them, each with the whole context before it. Of whole
  /// contexts: a prompt as long as the context, and a token of each sequence.
  rt::Result<DeviceWorks> works(const rt::cuda::Stream &stream) const override;

private:
  int64_t pageBytes() const { return shape_.kvHeads * shape_.headPageBytes(); }
  /// Of a row of results.
  int64_t columns() const;
  /// What fits into half of `freeBytes`.
  AttentionLoad loadFor(uint64_t freeBytes) const;
  std::vector<uint8_t> randomPages(int64_t pages) const;
  rt::Result<uint64_t> storeCache(const rt::cuda::Stream &stream, DeviceWorks &made, int64_t pages) const;
  rt::Result<uint64_t> storeQueries(const rt::cuda::Stream &stream, DeviceWorks &made, int64_t rows) const;
  /// Rows of parts as those of whole contexts.
  std::vector<float> merged(std::vector<float> parts, int64_t rows) const;

  const CudaAttention attention_;
  const CudaAttendShape shape_;
  const AttentionLoad load_;
};

} // namespace llmc
