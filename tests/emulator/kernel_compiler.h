// Compiles translated kernels to shared objects, with a cache on disk.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace llmc::emu {

struct Thread;

/// As the translated source declares it.
struct Kernel {
  const char* name;
  void (*body)(Thread*);
};

/// A variable of the module, as the translated source declares it.
struct Global {
  const char* name;
  const void* initial;
  unsigned long long offset, bytes;  ///< from Thread::globals
  bool constant;
};

/// A loaded object and its tables, which end with a null name.
struct CompiledKernels {
  void* library = nullptr;
  const Kernel* kernels = nullptr;
  const Global* globals = nullptr;  ///< null: the module has none
};

/// `checked` asks for the build whose memory accesses are reported. Thread-safe.
rt::Result<CompiledKernels> compileKernels(const std::string& source, bool checked);

}  // namespace llmc::emu
