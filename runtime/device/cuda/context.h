// One CUDA device in use: its facts and its primary context.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/status.h"
#include "runtime/device/cuda/driver.h"

namespace llmc::rt::cuda {

/// What decides which code runs on a device and how much fits.
struct DeviceFacts {
  int ordinal = 0;
  std::string name;          ///< "NVIDIA H100 80GB HBM3"
  int major = 0, minor = 0;  ///< of its compute capability
  int multiprocessors = 0;
  uint64_t sharedBytes = 0;  ///< most dynamic shared memory of a block
};

/// Bytes of device memory, of all processes together.
struct DeviceMemory {
  uint64_t free = 0, total = 0;
};

/// Holds the device's primary context and makes it the one of the thread that opened it. Outlives everything made in
/// it.
class Context {
 public:
  /// Errors: CU_NO_DEVICE (69) when there is no device `ordinal`, and those of Driver.
  static Result<std::unique_ptr<Context>> open(const Driver& driver, int ordinal);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Driver& driver() const { return driver_; }
  const DeviceFacts& facts() const { return facts_; }
  Result<DeviceMemory> memory() const;
  /// For each further thread that calls the driver.
  Status makeCurrent() const;

 private:
  explicit Context(const Driver& driver) : driver_(driver) {}
  Status readFacts();

  const Driver& driver_;
  CuDevice device_ = 0;
  CuContext context_ = nullptr;
  DeviceFacts facts_;
};

}  // namespace llmc::rt::cuda
