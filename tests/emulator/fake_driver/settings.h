// What the environment asks of the fake driver.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace llmc::emu {

/// Read when the driver is first called, and again by cuInit while nobody holds a context.
struct DriverSettings {
  std::string ptxFolder;                     ///< $LLMC_EMULATOR_PTX: files NAME.cubin with NAME.ptx beside them
  uint64_t memoryBytes = uint64_t{2} << 30;  ///< $LLMC_EMULATOR_MEMORY: of the device, in bytes
  int major = 9, minor = 0;                  ///< $LLMC_EMULATOR_SM: "9.0"
  unsigned threads = 1;                      ///< $LLMC_EMULATOR_THREADS: OS threads that run blocks; default: all
  bool checked = false;                      ///< $LLMC_EMULATOR_CHECK=1: races, bounds, values never written
  bool trace = false;                        ///< $LLMC_EMULATOR_TRACE=1: each launch and its time on stderr
  int devices = 1;                           ///< $LLMC_EMULATOR_DEVICES
  int version = 13000;                       ///< $LLMC_EMULATOR_VERSION: of CUDA, as cuDriverGetVersion says it
  /// $LLMC_EMULATOR_FAIL=function:n:code[,...]: the n-th call (from 1) of an entry point returns a code.
  std::map<std::string, std::vector<std::pair<uint64_t, int>>> failures;

  /// Most shared memory of a block on such a device, static and dynamic together.
  uint64_t sharedBytes() const {
    const int sm = major * 10 + minor;
    const bool small = sm >= 120 || sm == 86 || sm == 89;
    return uint64_t{small ? 99u : sm >= 90 ? 227u : sm >= 80 ? 163u : 64u} << 10;
  }
};

const DriverSettings& settings();
void readSettings();

}  // namespace llmc::emu
