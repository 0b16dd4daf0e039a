// The flag --target: the CPU, CUDA architectures, or what this machine has.
#pragma once

#include "runtime/base/status.h"

#include <string>
#include <vector>

namespace llmc {

struct Targets {
  bool cpu = false;
  std::vector<std::string> archs; ///< "sm_90a", ascending, each once; empty: not for CUDA
  std::string notice;             ///< what "auto" should say of its choice; usually empty
};

/// "cpu"; "cuda:sm_90a,sm_80"; both, as "cpu,cuda:sm_90a,sm_80"; "auto": the architecture of this machine's first CUDA
/// device, one before it whose PTX the device runs, or the CPU when no driver answers or the device is too old. Errors
/// (USAGE): another target, an unknown architecture (the known ones are listed).
rt::Result<Targets> parseTarget(const std::string &text);

} // namespace llmc
