// Code for a device, read before its driver reads it: cuModuleLoadDataEx is given no size, so what is cut would be read
// past its end, and a launch with other parameters than the plan's would read past those.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace llmc::rt {

/// What the plan says of a kernel's code.
struct DeviceKernel {
  uint32_t architecture = 0;    ///< 90: sm_90, sm_90a, compute_90
  std::string_view symbol;      ///< of its entry
  uint64_t parameterBytes = 0;  ///< of all its arguments
};

/// `bytes` is one whole cubin: an ELF file for CUDA whose tables and sections end within it, for the kernel's
/// architecture, with the kernel and its parameters. Returns what is wrong, to stand after a name; empty: nothing.
std::string cubinFault(std::string_view bytes, const DeviceKernel& kernel);

/// The same of one zero-terminated text of PTX, whose last function ends.
std::string ptxFault(std::string_view bytes, const DeviceKernel& kernel);

}  // namespace llmc::rt
