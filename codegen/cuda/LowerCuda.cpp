// kern-lower-cuda: the CUDA C++ text of each variant of each kern.func on standard output, in place of the functions.
#include "codegen/cuda/KernelText.h"

#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/raw_ostream.h"

namespace llmc {
#define GEN_PASS_DECL_LOWERCUDA
#define GEN_PASS_DEF_LOWERCUDA
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// Passes.td says what it does.
struct LowerCudaPass : impl::LowerCudaBase<LowerCudaPass> {
  using LowerCudaBase::LowerCudaBase;

  void runOnOperation() override {
    const Arch *found = findArch(arch);
    if (!found) {
      std::string names;
      for (const Arch &known : cudaArchs())
        names += (names.empty() ? "" : ", ") + known.name.str();
      getOperation().emitError("expected arch to be one of ") << names << ", found '" << arch << "'";
      return signalPassFailure();
    }
    for (kern::FuncOp function : getOperation().getOps<kern::FuncOp>())
      if (failed(print(function, *found)))
        return signalPassFailure();
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      op.erase();
  }

  LogicalResult print(kern::FuncOp function, const Arch &target) {
    for (const auto &[limit, name] : function.getVariants()) {
      FailureOr<KernelText> kernel = emitCudaKernel(CudaRequest{function, name, target, limit});
      if (failed(kernel))
        return failure();
      llvm::outs() << "// launch " << describeLaunch(*kernel) << "; " << kernel->config << "\n" << kernel->text << "\n";
    }
    return success();
  }
};

} // namespace
} // namespace llmc
