// Picks the family of a kern.func by its hero.
#include "codegen/cpu/KernelEmitter.h"

#include "codegen/cpu/attention/AttendFunction.h"
#include "codegen/cpu/matmul/MatmulKernel.h"

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

static std::string describeAttend(const AttendShape &shape, const Level &level) {
  if (usesBf16(shape, level))
    return "bf16 products, scores and values of 12 rows x 32 in registers";
  AttendTile tile = chooseTile(shape, level, /*decode=*/shape.splits > 0);
  std::string parts = shape.splits ? ", context in " + std::to_string(shape.splits) + " parts" : "";
  return "scores " + std::to_string(tile.rows()) + " x " + std::to_string(16 * tile.pages) + ", values " +
         std::to_string(tile.rows()) + " x " + std::to_string(16 * tile.columns) + " in registers" + parts;
}

std::string describeKernel(kern::FuncOp function, int64_t mMax, const Level &level) {
  if (function.getHero() == "linear") {
    FailureOr<MatmulPlan> plan = planMatmul(function, mMax);
    return succeeded(plan) ? describeMatmul(plan->shape, chooseMatmul(level, plan->shape)) : "";
  }
  if (function.getHero() == "attend")
    if (std::optional<AttendFunction> attend = matchAttend(function))
      return describeAttend(attend->shape, level);
  return "16 lanes, row by row";
}

} // namespace llmc
