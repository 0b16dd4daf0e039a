// Compiles every variant of every kern.func for every CUDA architecture, in parallel, by NVRTC.
#pragma once

#include "compiler/pipeline/CompileKernels.h"

namespace llmc {

/// "cuda:sm_80", "cuda:sm_90a", and last "cuda:compute_90": PTX for devices later than the last of `archs` (names,
/// ascending, known, not empty).
std::vector<std::string> cudaLevelNames(const std::vector<std::string> &archs);

struct CudaCompileOptions {
  std::vector<std::string> archs; ///< as cudaLevelNames takes them
  unsigned threads = 1;
  bool listings = false;                                   ///< keep kern IR, text and PTX for the dump folder
  std::function<void(size_t done, size_t total)> progress; ///< called under a lock
};

/// Fills variants and cuda of the result. The code does not depend on the number of threads. Errors: CG_KERNEL with the
/// kernel's name and the op that has no lowering; those of Nvrtc.
rt::Result<CompiledKernels> compileCudaKernels(mlir::ModuleOp module, const CudaCompileOptions &options);

} // namespace llmc
