// One configuration of a matrix product on a CUDA device, with weights that no cache holds.
#pragma once

#include "codegen/cuda/Nvrtc.h"
#include "codegen/cuda/matmul/ProductConfig.h"
#include "runtime/base/status.h"
#include "runtime/device/cuda/buffer.h"
#include "runtime/device/cuda/graph.h"
#include "runtime/device/cuda/module.h"
#include <memory>

namespace llmc {

/// A configuration's kernel: the product alone, its sums stored as f32; of interleaved gate and up their glu.
struct CompiledProduct {
  ProductConfig config;
  KernelText text;
  CompiledText code;
};

/// Nothing of a device is needed. Errors: those of Nvrtc::compile; TUNE_COMPILE (70) when there is no such kernel.
rt::Result<CompiledProduct> compileProduct(const Nvrtc &nvrtc, const Arch &arch, const ProductShape &shape,
                                           const ProductConfig &config);

/// Random rows of x, copies of random weights, room for results, and what sweeps the device's caches.
class DeviceProductMemory {
public:
  /// Takes at most half of the free memory for copies and sweeping. Error CU_MEMORY (69).
  static rt::Result<std::unique_ptr<DeviceProductMemory>> make(const rt::cuda::Stream &stream,
                                                               const ProductShape &shape);

  int64_t rows = 0; ///< of x: as many as the class holds, 512 where it holds any number
  size_t copies = 0;
  uint64_t weightBytes = 0; ///< of a copy
  rt::cuda::DeviceBuffer weights, x, out, batch, sweep;

private:
  DeviceProductMemory() = default;
};

/// A kernel on the device and its launches, recorded as in a step: each may start while the one before it ends.
class DeviceProductRun {
public:
  /// `memory` must outlive it. Errors: CU_NO_CODE (78), those of Driver.
  static rt::Result<std::unique_ptr<DeviceProductRun>> load(const rt::cuda::Stream &stream,
                                                            const CompiledProduct &product, const ProductShape &shape,
                                                            const DeviceProductMemory &memory);

  /// Seconds a product, by the device's clock: `calls` of them after a sweep, each with the next copy of the weights.
  rt::Result<double> seconds(const DeviceProductMemory &memory, size_t calls);

private:
  explicit DeviceProductRun(const rt::cuda::Stream &stream) : stream_(stream) {}
  rt::Status enqueue(const DeviceProductMemory &memory, size_t calls) const;

  const rt::cuda::Stream &stream_;
  rt::cuda::Module module_;
  rt::cuda::CuFunction function_ = nullptr;
  rt::cuda::LaunchShape shape_;
  rt::cuda::Graph graph_;
  size_t recorded_ = 0; ///< launches in graph_
  rt::cuda::Event start_, end_;
};

} // namespace llmc
