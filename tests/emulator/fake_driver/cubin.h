// The facts of a cubin that a driver goes by, read from its ELF sections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace llmc::emu {

struct CubinKernel {
  std::vector<std::pair<uint32_t, uint32_t>> params;  ///< offset and size, by ordinal
  uint32_t paramBytes = 0;
  uint32_t maxThreads = 1024;
  uint32_t cluster = 1;      ///< blocks of a cluster
  uint32_t sharedBytes = 0;  ///< static, the 1 KiB that sm_90 and later reserve left out
};

struct Cubin {
  uint64_t bytes = 0;    ///< of the whole image, which a driver is given by its start alone
  int architecture = 0;  ///< 90 for sm_90 and sm_90a
  std::map<std::string, CubinKernel> kernels;
};

/// Nothing for what is no ELF image of a CUDA device. Requires: the sections that the header names are readable.
std::optional<Cubin> readCubin(const void* image);

}  // namespace llmc::emu
