// The hand-made engine of the executor's tests as one for CUDA, on the scripted driver.
#pragma once

#include <memory>
#include <vector>

#include "runtime/exec/cuda/device_backend.h"
#include "runtime/exec/executor.h"
#include "tests/unit/runtime/device/cuda/scripted_device.h"
#include "tests/unit/runtime/exec/fake_engine.h"

namespace llmc::rt::test {

/// FakeEngine's kernels and programs; the narrow program is the one for steps in which each sequence has one token.
/// Each launch has a block for every two tokens and one for each sequence, at most one a multiprocessor.
class FakeCudaEngine {
 public:
  /// Makes the kernels known to `scripted`.
  /// `samples`: its programs end with a kernel that samples.
  explicit FakeCudaEngine(const ScriptedDriver& scripted, FakeEngine::Kind kind = FakeEngine::Kind::kSums,
                          bool samples = false);

  const fb::Engine& plan() const { return *fb::GetEngine(bytes_.data()); }
  /// The weights' section.
  std::span<const std::byte> section(uint32_t) const;
  Result<cuda::DeviceEngine> load(const cuda::Context& context) const;

 private:
  FakeEngine host_;
  std::vector<uint8_t> bytes_;
};

/// All on one scripted device.
struct CudaMachine {
  explicit CudaMachine(StepLimits limits = {16, 8, 4, 200}, cuda::BackendOptions options = {}, bool samples = false);
  /// As the constructor, with its error.
  Status open(StepLimits limits, cuda::BackendOptions options);

  ScriptedDriver scripted;
  FakeCudaEngine engine;
  std::unique_ptr<WorkerPool> pool;
  std::unique_ptr<cuda::Driver> driver;
  std::unique_ptr<cuda::Context> context;
  std::unique_ptr<cuda::Stream> stream;
  cuda::DeviceBuffer kv;
  cuda::DeviceBackend* backend = nullptr;
  std::unique_ptr<Executor> executor;
};

}  // namespace llmc::rt::test
