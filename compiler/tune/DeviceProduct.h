// A matrix product as a task of `llmc tune` on a CUDA device: weights that no cache holds, as many rows as its class
// has.
#pragma once

#include "codegen/cuda/matmul/ProductConfig.h"
#include "compiler/tune/DeviceTask.h"

namespace llmc {

/// The product alone, its sums stored as f32; of interleaved gate and up their glu.
class DeviceProduct : public DeviceTask {
public:
  explicit DeviceProduct(const ProductShape &shape) : shape_(shape) {}
  std::string family() const override { return "linear"; }
  std::string key() const override;
  int64_t mMax() const override { return shape_.mMax; }
  std::vector<std::vector<TunedNumber>> candidates(const Arch &arch, size_t most) const override;
  std::string moduleText() const override;
  std::string symbol() const override { return "product"; }
  /// One: rows as many as the class holds, 512 where it holds any number.
  rt::Result<DeviceWorks> works(const rt::cuda::Stream &stream) const override;

private:
  int64_t resultColumns() const { return shape_.n / shape_.unitPanels; }
  const ProductShape shape_;
};

} // namespace llmc
