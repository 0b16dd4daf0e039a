// A PTX module as C++ text that runs on the emulator.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::emu {

/// What a launch must know of an entry point.
struct Entry {
  std::string name;
  uint32_t paramBytes = 0;
  std::vector<std::pair<uint32_t, uint32_t>> params;  ///< offset and size of each
  uint32_t maxThreads = 1024;
  uint32_t sharedEnd = 0;  ///< first shared address behind its static variables; dynamic memory follows, aligned
  uint32_t dynamicAlign = 16;
  uint32_t cluster = 1;  ///< blocks of a cluster, neighbours in x
  bool waits = false;    ///< for the kernel before: it has a griddepcontrol.wait
};

struct Translation {
  std::string source;  ///< defines `llmc::emu::Kernel llmc_emulator_kernels[]`, in the order of entries
  std::vector<Entry> entries;
};

/// Errors name the line of the PTX text.
rt::Result<Translation> translatePtx(std::string_view ptx);

}  // namespace llmc::emu
