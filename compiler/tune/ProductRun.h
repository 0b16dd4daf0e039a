// One configuration of a matrix product as machine code on the workers of this machine, with weights that no cache
// holds.
#pragma once

#include "codegen/registry/MatmulTuning.h"
#include "runtime/base/status.h"
#include "runtime/device/memory.h"
#include "runtime/device/worker_pool.h"
#include "runtime/format/engine_memory.h"
#include <memory>

namespace llmc {

/// Random activations, weights and room for results of one shape; configurations of it share them.
class ProductMemory {
public:
  /// Error RT_MEMORY (69).
  static rt::Result<std::unique_ptr<ProductMemory>> make(const MatmulShape &shape);

  /// The copy that was read longest ago, by whichever configuration: one that came after another over the same copies
  /// would find them in a cache.
  const uint8_t *nextWeights() { return weights.data() + weightBytes * (next_++ % copies); }

  int32_t rows = 0; ///< of x: as many as the class holds, 256 where it holds any number
  size_t copies = 0;
  size_t weightBytes = 0; ///< of a copy
  rt::Arena weights, x, out;

private:
  ProductMemory() = default;
  size_t next_ = 0; ///< copy of the weights
};

/// Compiled code and its arguments.
class ProductRun {
public:
  /// Code of `shape` with `numbers` at `level` for `workers` workers. Errors TUNE_COMPILE (70), EN_MEMORY, RT_MEMORY
  /// (69).
  static rt::Result<std::unique_ptr<ProductRun>> compile(const Level &level, const MatmulShape &shape,
                                                         const std::vector<TunedNumber> &numbers, uint32_t workers);

  /// Seconds a product on all workers of `pool`: `calls` products, each with the next copy of the weights.
  rt::Result<double> seconds(rt::WorkerPool &pool, ProductMemory &memory, size_t calls);

private:
  ProductRun() = default;
  rt::Mapping code_;
  rt::Arena scratch_;
  rt::KernelCall call_;
};

} // namespace llmc
