// The flag --target: the CPU, CUDA architectures, or what this machine has.
#pragma once

#include "runtime/base/status.h"

#include <string>
#include <vector>

namespace llmc {

struct Targets {
  bool cpu = false;
  std::vector<std::string> archs; ///< "sm_90a", ascending, each once; empty: not for CUDA
};

/// "cpu"; "cuda:sm_90a,sm_80"; both, as "cpu,cuda:sm_90a,sm_80"; "auto": the architecture of this machine's first CUDA
/// device, or the CPU when no driver answers. Errors (USAGE): another target, an unknown architecture (the known ones
/// are listed).
rt::Result<Targets> parseTarget(const std::string &text);

/// The best architecture that a device of this compute capability runs: its own, else the newest one before it of the
/// same generation whose code is not for one device alone. Empty: none.
std::string archForDevice(int major, int minor);

} // namespace llmc
