// Controls of the scripted libcuda: which call fails and how, what is alive, and what kernels do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "runtime/device/cuda/driver_api.h"

namespace llmc::rt::test {

/// What the library does; read at each call. Its members are set by the test, on one thread.
struct CudaScript {
  uint64_t failAt = 0;  ///< number of the call that fails, from 1; 0: none
  int failCode = 0;     ///< what it returns; those that no context survives come from all later calls too
  int devices = 1;
  int major = 9, minor = 0;
  int multiprocessors = 132;
  uint64_t freeBytes = uint64_t{1} << 30, totalBytes = uint64_t{2} << 30;  ///< before any allocation
  int version = 13000;
  std::string hidden;     ///< entry point that cuGetProcAddress does not find
  int hiddenCode = 500;   ///< what it says of it
  uint64_t calls = 0;     ///< made since reset(): those that can fail
  uint64_t launches = 0;  ///< kernels that have run
  uint64_t early = 0;     ///< of these, how many might have started before the one before had ended
  uint64_t copies = 0;    ///< cuMemcpyAsync calls
  uint64_t graphLaunches = 0;
  uint64_t changedSources = 0;  ///< copies from pinned memory that the host has changed before their turn
};

/// The test's own handle on the library loaded beside the Driver's. Work in a stream runs when
/// somebody waits for it or for an event behind it, so that a wait that is missing shows; device memory cannot be
/// touched outside of that.
class ScriptedDriver {
 public:
  /// A kernel: the words of its parameter, and how many blocks it was launched with.
  using Kernel = std::function<void(const uint64_t* words, const uint32_t* grid)>;

  ScriptedDriver();
  ~ScriptedDriver();
  ScriptedDriver(const ScriptedDriver&) = delete;
  ScriptedDriver& operator=(const ScriptedDriver&) = delete;

  static const char* path();
  CudaScript& script() const { return *script_; }
  /// Forgets script, kernels and counts. Requires: alive() == 0.
  void reset() const { reset_(); }
  /// Contexts, memory, streams, events, modules and graphs that were made and not given back.
  uint64_t alive() const { return alive_(); }
  /// Modules find `symbol`, whose parameter has `words` words.
  void addKernel(const char* symbol, uint32_t words, Kernel kernel) const { addKernel_(symbol, words, kernel); }
  /// Device memory becomes readable and writable, for a test's look at it, or not.
  void openMemory(bool open) const { openMemory_(open); }

 private:
  void* library_;
  CudaScript* script_;
  void (*reset_)();
  uint64_t (*alive_)();
  void (*addKernel_)(const char*, uint32_t, Kernel);
  void (*openMemory_)(bool);
};

/// Modules of the scripted driver are loaded from this text, from what starts as an ELF file or PTX, and nothing else.
inline constexpr char kScriptedImage[] = "scripted cubin";

}  // namespace llmc::rt::test
