// The search of `llmc tune`: for each product of an engine and each class of row counts, the fastest legal
// configuration on this machine.
#pragma once

#include "codegen/registry/TuningDatabase.h"
#include "runtime/device/worker_pool.h"
#include "runtime/format/engine_reader.h"
#include <functional>

namespace llmc {

/// A product that an engine runs, with the classes that its kernels have variants for.
struct TunableProduct {
  MatmulShape shape;            ///< mMax not set
  std::vector<int64_t> classes; ///< in the order of kRowClasses
};

/// Products of the CPU kernels of `plan`, the largest weights last.
std::vector<TunableProduct> productsOf(const fb::Engine &plan);

/// What was found for one class of one product.
struct TunedProduct {
  MatmulShape shape;
  std::vector<TunedNumber> numbers; ///< empty: nothing was faster than the table's
  double tableSeconds = 0;          ///< a call with the table's configuration, median
  double seconds = 0;               ///< the same with `numbers`, measured in turns with the table's
  size_t tried = 0;                 ///< configurations
};

struct TuneOptions {
  double sampleSeconds = 0.003; ///< of calls that make one sample
  int samples = 7;              ///< of each side of a comparison
  double leastGain = 0.03;      ///< share of the time; what gains less is noise
};

/// Changes one number at a time, each value against the best so far in turns, and keeps what is faster; then compares
/// the result with the table once more. Errors of ProductRun and ProductMemory.
rt::Result<TunedProduct> tuneProduct(const Level &level, const MatmulShape &shape, rt::WorkerPool &pool,
                                     const TuneOptions &options);

} // namespace llmc
