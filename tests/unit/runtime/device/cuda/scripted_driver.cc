// Loads the library and finds its controls.
#include "tests/unit/runtime/device/cuda/scripted_driver.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace llmc::rt::test {

const char* ScriptedDriver::path() { return LLMC_SCRIPTED_CUDA; }

ScriptedDriver::ScriptedDriver() : library_(::dlopen(path(), RTLD_NOW | RTLD_LOCAL)) {
  if (!library_) {
    std::fprintf(stderr, "%s\n", ::dlerror());
    std::abort();
  }
  script_ = static_cast<CudaScript*>(::dlsym(library_, "scriptedState"));
  reset_ = reinterpret_cast<decltype(reset_)>(::dlsym(library_, "scriptedReset"));
  alive_ = reinterpret_cast<decltype(alive_)>(::dlsym(library_, "scriptedAlive"));
  addKernel_ = reinterpret_cast<decltype(addKernel_)>(::dlsym(library_, "scriptedAddKernel"));
  openMemory_ = reinterpret_cast<decltype(openMemory_)>(::dlsym(library_, "scriptedOpenMemory"));
  reset();
}

ScriptedDriver::~ScriptedDriver() { ::dlclose(library_); }

}  // namespace llmc::rt::test
