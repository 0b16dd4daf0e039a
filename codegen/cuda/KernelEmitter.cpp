// Picks the family of a kern.func by its hero.
#include "codegen/cuda/KernelText.h"

using namespace mlir;

namespace llmc {

/// Families that read rows and write rows.
static FailureOr<KernelText> emitRows(const CudaRequest &request) {
  kern::FuncOp function = request.function;
  llvm::StringRef hero = function.getHero();
  if (hero == "kv_write")
    return emitCudaKvWrite(request);
  if (hero == "argmax")
    return emitCudaArgmax(request);
  if (hero == "sample")
    return emitCudaSample(request);
  return emitCudaRowKernel(request);
}

FailureOr<KernelText> emitCudaKernel(const CudaRequest &request) {
  kern::FuncOp function = request.function;
  llvm::StringRef hero = function.getHero();
  if (hero == "linear")
    return emitCudaMatmul(request);
  if (hero == "attend")
    return emitCudaAttend(request);
  FailureOr<KernelText> text = emitRows(request);
  if (succeeded(text)) {
    text->cost = rowsCost(function, *text);
    text->config += "; " + describeCost(gpuOf(request.arch), text->cost);
  }
  return text;
}

} // namespace llmc
