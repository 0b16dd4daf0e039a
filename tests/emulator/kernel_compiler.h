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

/// A loaded object and its table of kernels, which ends with a null name.
struct CompiledKernels {
  void* library = nullptr;
  const Kernel* kernels = nullptr;
};

/// `checked` asks for the build whose memory accesses are reported. Thread-safe.
rt::Result<CompiledKernels> compileKernels(const std::string& source, bool checked);

}  // namespace llmc::emu
