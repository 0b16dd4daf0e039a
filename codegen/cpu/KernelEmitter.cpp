// Picks the family of a kern.func by its hero.
#include "codegen/cpu/KernelFamilyList.h"

using namespace mlir;

namespace llmc {

llvm::ArrayRef<const KernelFamily *> kernelFamilies() { return kKernelFamilies; }

/// Null: the hero has no family, its ops are computed row by row.
static const KernelFamily *familyOf(kern::FuncOp function) {
  for (const KernelFamily *family : kernelFamilies())
    if (family->hero == function.getHero())
      return family;
  return nullptr;
}

LogicalResult emitKernel(ModuleOp module, const EmitRequest &request) {
  const KernelFamily *family = familyOf(request.function);
  return family ? family->emit(module, request) : emitRowKernel(module, request);
}

int64_t scratchBytes(kern::FuncOp function, int64_t tMax) {
  const KernelFamily *family = familyOf(function);
  return family && family->scratchBytes ? family->scratchBytes(function, tMax) : 0;
}

bool sameCode(kern::FuncOp function, int64_t mMax, const Level &one, const Level &other) {
  const KernelFamily *family = familyOf(function);
  return one.sameInstructions(other) && (!family || !family->sameCode || family->sameCode(function, mMax, one, other));
}

bool isExact(kern::FuncOp function, int64_t mMax, const Level &level) {
  const KernelFamily *family = familyOf(function);
  return family && family->isExact ? family->isExact(function, mMax, level) : mMax == 0;
}

std::string describeKernel(kern::FuncOp function, int64_t mMax, const Level &level) {
  const KernelFamily *family = familyOf(function);
  const std::string found = family && family->describe ? family->describe(function, mMax, level) : "";
  return found.empty() ? "16 lanes, row by row" : found;
}

} // namespace llmc
