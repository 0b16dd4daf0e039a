// Picks the family of a kern.func by its hero.
#include "codegen/cpu/KernelEmitter.h"

#include "codegen/cpu/attention/AttendFunction.h"

using namespace mlir;

namespace llmc {

LogicalResult emitKernel(ModuleOp module, const EmitRequest &request) {
  kern::FuncOp function = request.function;
  llvm::StringRef hero = function.getHero();
  if (hero == "linear")
    return emitMatmulKernel(module, request);
  if (hero == "attend")
    return emitAttendKernel(module, request);
  if (hero == "kv_write")
    return emitKvWriteKernel(module, request);
  return emitRowKernel(module, request);
}

int64_t scratchBytes(kern::FuncOp function, int64_t tMax) {
  if (function.getHero() == "linear")
    return matmulScratchBytes(function, tMax);
  if (function.getHero() != "attend")
    return 0;
  std::optional<AttendFunction> attend = matchAttend(function);
  return attend ? attendScratchBytes(attend->shape) : 0;
}

} // namespace llmc
