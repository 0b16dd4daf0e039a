// The search of `llmc tune` on a CUDA device: for each product and attention of an engine and each class of row counts,
// the fastest of the configurations that the model finds best.
#pragma once

#include "codegen/registry/TuningDatabase.h"
#include "compiler/tune/DeviceAttention.h"
#include "compiler/tune/DeviceRun.h"
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace llmc {

/// What can be measured of the kernels that `explain` (the JSON of an engine's plan for CUDA) names: each product with
/// the classes that it has variants for, in the order of kCudaRowClasses, and each attention. Error TUNE_TARGET (78):
/// no product, so an engine of an earlier llmc.
rt::Result<std::vector<std::unique_ptr<DeviceTask>>> deviceTasksOf(std::string_view explain, const AttentionLoad &load);

struct DeviceTuneOptions {
  double sampleSeconds = 0.003; ///< of launches that make one sample
  int samples = 7;              ///< of each configuration, in turns with the others
  double leastGain = 0.03;      ///< share of the time; what gains less is noise
  size_t candidates = 16;       ///< configurations measured: the model's best; 0: all that are legal
  unsigned threads = 1;         ///< that compile
  /// Results may differ from those of the model's choice by this share of the largest: sums have another order, and
  /// some products round weights to bf16.
  double tolerance = 1e-2;
  /// Hears of each configuration before it runs, with a name that no other has. None: nobody does.
  std::function<rt::Status(const std::string &name, const CompiledCandidate &)> dump = {};
};

/// What was found for one task.
struct DeviceTuned {
  std::vector<TunedNumber> numbers; ///< empty: nothing was faster than the model's choice
  double modelSeconds = 0;          ///< a launch of the model's choice: medians' geometric mean over the works
  double seconds = 0;               ///< the same of the fastest, measured in turns with it
  size_t tried = 0;                 ///< configurations that ran
  size_t refused = 0;               ///< those that the compiler could not make without spilling
  size_t wrong = 0;                 ///< those that ran, and gave other results than the model's choice
  std::string what = {};            ///< DeviceWorks::what
};

/// Compiles on all threads, compares results, measures in turns, then holds the fastest against the model's choice once
/// more. Errors of compileCandidate (but CU_SPILL, CU_SLOW and CU_SHARED of a configuration), DeviceTask::works and
/// DeviceRun; TUNE_RESULT (70): the model's choice gives results that are no numbers.
rt::Result<DeviceTuned> tuneOnDevice(const Nvrtc &nvrtc, const Arch &arch, const rt::cuda::Stream &stream,
                                     const DeviceTask &task, const DeviceTuneOptions &options);

} // namespace llmc
