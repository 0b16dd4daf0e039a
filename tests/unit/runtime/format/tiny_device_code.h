// Cubins and PTX of kernels that do nothing, as small as what reads them allows.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace llmc::rt::test {

struct TinyKernel {
  std::string symbol;
  uint16_t words = 0;  ///< of arguments, 8 bytes each
};

/// ELF for CUDA: an .nv.info section a kernel, the names of sections, their table at the end.
std::string tinyCubin(uint32_t architecture, std::span<const TinyKernel> kernels);
/// With its terminating zero.
std::string tinyPtx(uint32_t architecture, std::span<const TinyKernel> kernels);

}  // namespace llmc::rt::test
