// Table of GPU architectures.
#include "codegen/cuda/Arch.h"

namespace llmc {

// Shared memory a block: "Maximum amount of shared memory per thread block" in the CUDA C++ programming guide's table
// of compute capabilities. The a-variants hold instructions that later GPUs do not have; their cubins run on that GPU
// only.
static constexpr Arch kArchs[] = {
    {"sm_80", 8, 0, false, 163 * 1024},    // A100
    {"sm_86", 8, 6, false, 99 * 1024},     // RTX 30, A10
    {"sm_89", 8, 9, false, 99 * 1024},     // RTX 40, L4, L40
    {"sm_90a", 9, 0, true, 227 * 1024},    // H100, H200
    {"sm_100a", 10, 0, false, 227 * 1024}, // B200
    {"sm_120a", 12, 0, false, 99 * 1024},  // RTX 50
};

llvm::ArrayRef<Arch> cudaArchs() { return kArchs; }

const Arch *findArch(llvm::StringRef name) {
  for (const Arch &arch : kArchs)
    if (arch.name == name)
      return &arch;
  return nullptr;
}

} // namespace llmc
