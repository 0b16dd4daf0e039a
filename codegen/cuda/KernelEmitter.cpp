// Picks the family of a kern.func by its hero.
#include "codegen/cuda/TunedChoice.h"

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

static FailureOr<KernelText> emitFamily(const CudaRequest &request) {
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

FailureOr<KernelText> emitCudaKernel(const CudaRequest &request) {
  FailureOr<KernelText> text = emitFamily(request);
  if (succeeded(text) && !tunedNumbers(request.function, request.mMax, request.arch.name).empty())
    text->config += "; numbers of --tuning";
  return text;
}

} // namespace llmc
