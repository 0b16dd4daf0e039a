// The search of `llmc tune` on a CUDA device: for each product of an engine and each class of row counts, the fastest
// of the configurations that the model finds best.
#pragma once

#include "codegen/registry/TuningDatabase.h"
#include "compiler/tune/DeviceProduct.h"
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace llmc {

/// A product that an engine's kernels for CUDA compute, with the classes that they have variants for.
struct DeviceTunable {
  CudaProduct product;
  std::vector<int64_t> classes; ///< in the order of kCudaRowClasses
};

/// Products that `explain` (the JSON of an engine's plan for CUDA) names, in its order. Error TUNE_TARGET (78): none,
/// so an engine of an earlier llmc.
rt::Result<std::vector<DeviceTunable>> deviceProductsOf(std::string_view explain);

struct DeviceTuneOptions {
  double sampleSeconds = 0.003; ///< of launches that make one sample
  int samples = 7;              ///< of each configuration, in turns with the others
  double leastGain = 0.03;      ///< share of the time; what gains less is noise
  size_t candidates = 16;       ///< configurations measured: the model's best; 0: all that are legal
  unsigned threads = 1;         ///< that compile
  /// Hears of each configuration before it runs, with a name that no other has. None: nobody does.
  std::function<rt::Status(const std::string &name, const CompiledProduct &)> dump = {};
};

/// What was found for one class of one product.
struct DeviceTuned {
  ProductShape shape;
  std::vector<TunedNumber> numbers; ///< empty: nothing was faster than the model's choice
  double modelSeconds = 0;          ///< a launch of the model's choice, median
  double seconds = 0;               ///< the same of the fastest, measured in turns with it
  size_t tried = 0;                 ///< configurations that ran
  size_t refused = 0;               ///< those that the compiler could not make without spilling
};

/// Compiles on all threads, measures in turns, then holds the fastest against the model's choice once more. Errors of
/// compileProduct (but CU_SPILL, CU_SLOW and CU_SHARED of a configuration), DeviceProductMemory and DeviceProductRun.
rt::Result<DeviceTuned> tuneOnDevice(const Nvrtc &nvrtc, const Arch &arch, const rt::cuda::Stream &stream,
                                     const ProductShape &shape, const DeviceTuneOptions &options);

} // namespace llmc
