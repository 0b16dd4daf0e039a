// State behind the entry points of the fake libcuda.so.1.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "tests/emulator/fake_driver/device_memory.h"
#include "tests/emulator/fake_driver/streams.h"

namespace llmc::emu {

/// One process has one. Every entry point holds `lock` while it runs.
struct FakeDriver {
  std::mutex lock;
  bool initialized = false;
  int fault = kSuccess;  ///< once set, every call returns it
  int contexts = 0;      ///< retained
  DeviceMemory memory;
  std::set<DriverStream*> streams;
  std::set<DriverEvent*> events;
  std::set<DriverGraph*> graphs;
  std::map<void*, std::shared_ptr<CodeModule>> modules;
  std::map<void*, std::unique_ptr<DriverFunction>> functions;
  std::map<std::string, uint64_t> calls;

  static FakeDriver& get();
  /// cuInit while nobody holds a context: settings are read again, faults and counts of calls forgotten.
  void restart();
  /// Counts a call of `name`; what $LLMC_EMULATOR_FAIL has for it, else kSuccess.
  int injected(const char* name);
  /// What a call of `name` returns before it does anything: kSuccess to go on.
  int enter(const char* name, bool needsContext = true);
  /// Prints why something failed and remembers faults.
  int refuse(const char* name, int result, const std::string& why);
  int drainStream(DriverStream* stream, const DrainEnd& end = {});
  int drainAll();
  /// Queues or records.
  int put(DriverStream* stream, Work work);
  int launch(DriverFunction& function, const Dim3& grid, const Dim3& block, uint32_t sharedBytes, DriverStream* stream,
             void** params, bool early);
  int copy(uint64_t to, uint64_t from, uint64_t bytes, DriverStream* stream);
};

}  // namespace llmc::emu
