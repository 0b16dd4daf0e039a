// The CUDA driver, found at run time by dlopen, and what its error codes mean to a user.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "runtime/base/status.h"
#include "runtime/device/cuda/driver_api.h"

namespace llmc::rt::cuda {

/// "13.0" of 13000, as a driver says the version of CUDA that it serves.
std::string versionText(int version);

/// A loaded and initialized driver with at least one device. Any thread; outlives all that is made with it. Once a call
/// has reported a fault that no later call can recover from (a kernel's wild access, a device that is gone), all
/// further calls return that fault without reaching the driver.
class Driver {
 public:
  /// `library`: a name that the dynamic linker looks for, or a path. Errors (69): CU_NO_DRIVER, CU_STUB (a toolkit's
  /// library for linking), CU_OLD_DRIVER with the entry point it lacks, CU_NO_DEVICE, CU_INIT with the driver's words.
  static Result<std::unique_ptr<Driver>> open(const std::string& library = "libcuda.so.1");
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  const DriverApi& api() const { return api_; }
  int version() const { return version_; }  ///< of CUDA that it serves: 13000 is 13.0
  int devices() const { return devices_; }

  /// Calls an entry point. Errors: CU_MEMORY (69), CU_NO_CODE (78), CU_FAULT (71) for those that stay, CU_CALL (71).
  template <typename... Parameters, typename... Arguments>
  Status call(const DriverEntry<Parameters...>& entry, Arguments... arguments) const {
    if (fault_.load(std::memory_order_relaxed) != kCuSuccess) return faultStatus();
    const CuResult result = entry.function(arguments...);
    return result == kCuSuccess ? Status::ok() : failure(entry.name, result);
  }

  /// For what is given back, also after a fault: there is nothing more to do when it fails, but a fault is remembered.
  template <typename... Parameters, typename... Arguments>
  void release(const DriverEntry<Parameters...>& entry, Arguments... arguments) const {
    const CuResult result = entry.function(arguments...);
    if (result != kCuSuccess) (void)failure(entry.name, result);
  }

  /// The fault that ended this process's use of the device, or ok.
  Status fault() const { return fault_.load(std::memory_order_relaxed) == kCuSuccess ? Status::ok() : faultStatus(); }

 private:
  Driver() = default;
  Status load(const std::string& library);
  Status resolve(CuGetProcAddress find);
  Status initialize();
  Status failure(const char* call, CuResult result) const;
  Status faultStatus() const;
  std::string describe(CuResult result) const;  ///< "CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal ..."

  void* library_ = nullptr;
  DriverApi api_;
  int version_ = 0, devices_ = 0;
  mutable std::atomic<CuResult> fault_{kCuSuccess};
  mutable std::atomic<const char*> faultCall_{nullptr};  ///< that reported it
};

}  // namespace llmc::rt::cuda
