// Compiled CUDA kernels of one architecture.
#pragma once

#include "codegen/cuda/KernelText.h"
#include "codegen/cuda/Nvrtc.h"

#include <string>
#include <vector>

namespace llmc {

/// One variant for one architecture: its text, what NVRTC made of it, and where that lies in the level's code.
struct CudaVariant {
  KernelText kernel;
  CompiledText compiled;
  uint64_t offset = 0, size = 0;
};

/// "cuda:sm_90a": cubins one after another; "cuda:compute_90": PTX, each text with a zero at its end.
struct CudaLevel {
  std::string name;
  std::string code;
  std::vector<CudaVariant> variants; ///< in the order of CompiledKernels::variants
};

} // namespace llmc
