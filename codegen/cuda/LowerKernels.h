// Registration of kern-lower-cuda, which shows what the CUDA kernel families make of a kern.func.
#pragma once

namespace llmc {

/// Makes `--kern-lower-cuda=arch=sm_90a` known to MLIR's command line tools.
void registerLowerCudaKernels();

} // namespace llmc
