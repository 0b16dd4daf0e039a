// One configuration of a kernel as code on a CUDA device.
#pragma once

#include "codegen/cuda/Nvrtc.h"
#include "compiler/tune/DeviceTask.h"
#include "runtime/device/cuda/graph.h"
#include "runtime/device/cuda/module.h"
#include <map>
#include <memory>

namespace llmc {

/// A configuration's kernel.
struct CompiledCandidate {
  std::vector<TunedNumber> numbers;
  KernelText text;
  CompiledText code;
};

/// Nothing of a device is needed. Errors: those of Nvrtc::compile; TUNE_COMPILE (70) when there is no such kernel.
rt::Result<CompiledCandidate> compileCandidate(const Nvrtc &nvrtc, const Arch &arch, const DeviceTask &task,
                                               const std::vector<TunedNumber> &numbers);

/// A kernel on the device and its launches, recorded as in a step: each may start while the one before it ends.
class DeviceRun {
public:
  /// `stream` must outlive it. Errors: CU_NO_CODE (78), those of Driver.
  static rt::Result<std::unique_ptr<DeviceRun>> load(const rt::cuda::Stream &stream, const CompiledCandidate &kernel);

  /// Seconds a launch in `work`, by the device's clock: `calls` of them after a sweep, each with the next copy. `works`
  /// is the same in all calls.
  rt::Result<double> seconds(const DeviceWorks &works, size_t work, size_t calls);
  /// Results of one launch in `work`.
  rt::Result<std::vector<float>> values(const DeviceWork &work) const;

private:
  explicit DeviceRun(const rt::cuda::Stream &stream) : stream_(stream) {}
  rt::Status enqueue(const DeviceWork &work, size_t calls) const;
  rt::cuda::LaunchShape shapeOf(const DeviceWork &work) const;

  /// Launches that were recorded.
  struct Recorded {
    rt::cuda::Graph graph;
    size_t calls = 0;
  };

  const rt::cuda::Stream &stream_;
  KernelText text_;
  rt::cuda::Module module_;
  rt::cuda::CuFunction function_ = nullptr;
  std::map<size_t, Recorded> recorded_; ///< by work
  rt::cuda::Event start_, end_;
};

} // namespace llmc
