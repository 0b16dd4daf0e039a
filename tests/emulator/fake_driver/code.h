// Modules of the fake driver: the PTX that belongs to an image, and its kernels.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "tests/emulator/fake_driver/cubin.h"
#include "tests/emulator/ptx_program.h"

namespace llmc::emu {

/// Results of the driver that the fake one gives of its own accord (cuda.h: CUresult).
enum DriverResult : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kInvalidContext = 201,
  kNoBinary = 209,
  kInvalidPtx = 218,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kIllegalAddress = 700,
  kOutOfResources = 701,
  kLaunchFailed = 719,
  kInvalidClusterSize = 912,
  kCaptureUnsupported = 900,
  kCaptureInvalidated = 901,
};

class CodeModule;

struct DriverFunction {
  std::shared_ptr<CodeModule> module;
  std::string name;
  CubinKernel facts;
  uint32_t dynamicLimit = 48u << 10;  ///< that has to be asked for: static and dynamic memory may have 48 KiB at once
};

/// One loaded image. Its PTX is translated and compiled when a kernel first runs.
class CodeModule {
 public:
  /// kSuccess, or why the image cannot run here; `why` is for people.
  static int load(const void* image, std::shared_ptr<CodeModule>* module, std::string* why);

  /// Null when there is no such kernel.
  std::unique_ptr<DriverFunction> function(const std::shared_ptr<CodeModule>& self, const std::string& name) const;
  /// The translated module; compiled at the first call, which other threads wait for.
  rt::Result<std::shared_ptr<PtxProgram>> program();

 private:
  std::string ptx_;
  Cubin cubin_;
  bool isCubin_ = false;
  std::mutex mutex_;
  std::shared_ptr<PtxProgram> program_;
};

}  // namespace llmc::emu
