// The family of matrix products: kern.funcs with hero "linear".
#include "codegen/cpu/KernelFamilyList.h"
#include "codegen/cpu/matmul/MatmulKernel.h"

using namespace mlir;

namespace llmc {

static std::string describeProduct(kern::FuncOp function, int64_t mMax, const Level &level) {
  FailureOr<MatmulPlan> plan = planMatmul(function, mMax);
  return succeeded(plan) ? describeMatmul(plan->shape, chooseMatmul(level, plan->shape)) : "";
}

static bool sameProduct(kern::FuncOp function, int64_t mMax, const Level &one, const Level &other) {
  FailureOr<MatmulPlan> plan = planMatmul(function, mMax);
  return succeeded(plan) && chooseMatmul(one, plan->shape) == chooseMatmul(other, plan->shape);
}

static bool exactProduct(kern::FuncOp function, int64_t mMax, const Level &level) {
  FailureOr<MatmulPlan> plan = planMatmul(function, mMax);
  return succeeded(plan) && roundsExactly(level, plan->shape);
}

const KernelFamily kMatmul = {"linear",        emitMatmulKernel, matmulScratchBytes,
                              describeProduct, sameProduct,      exactProduct};

} // namespace llmc
