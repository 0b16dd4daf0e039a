// Picks the family of a kern.func by its hero.
#include "codegen/cuda/KernelText.h"

using namespace mlir;

namespace llmc {

FailureOr<KernelText> emitCudaKernel(const CudaRequest &request) {
  kern::FuncOp function = request.function;
  llvm::StringRef hero = function.getHero();
  if (hero == "linear")
    return emitCudaMatmul(request);
  if (hero == "attend")
    return emitCudaAttend(request);
  if (hero == "kv_write")
    return emitCudaKvWrite(request);
  if (hero == "argmax")
    return emitCudaArgmax(request);
  if (hero == "sample")
    return emitCudaSample(request);
  return emitCudaRowKernel(request);
}

} // namespace llmc
