// What a cubin says about its kernel: registers, stack, arguments, shared memory; read from the ELF itself.
#pragma once

#include "runtime/base/status.h"
#include <string_view>

namespace llmc {

struct CubinInfo {
  int64_t registers = 0;      ///< a thread
  int64_t frameBytes = 0;     ///< stack of a thread: spilled registers, arrays that are indexed
  int64_t sharedBytes = 0;    ///< static shared memory of a block, the 1 KiB that sm_90 and later reserve left out
  int64_t parameterBytes = 0; ///< of the arguments
  int64_t cluster = 1;        ///< blocks of a cluster; 1: none
};

/// Facts about kernel `symbol`. Error CU_CUBIN: not a cubin, cut short, or without that kernel.
rt::Result<CubinInfo> readCubin(std::string_view cubin, std::string_view symbol);

} // namespace llmc
