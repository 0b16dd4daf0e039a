// kern-lower-cpu: each variant of each kern.func as a module of vector, scf and llvm ops, in place of the function.
#include "codegen/cpu/KernelEmitter.h"

#include "codegen/cpu/ObjectCompiler.h"
#include "dialects/LLM/LLMDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {
#define GEN_PASS_DECL_LOWERCPU
#define GEN_PASS_DEF_LOWERCPU
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

/// Passes.td says what it does, and that a build comes to the same code without it.
struct LowerCpuPass : impl::LowerCpuBase<LowerCpuPass> {
  using LowerCpuBase::LowerCpuBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    LowerCpuBase::getDependentDialects(registry);
    registerKernelDialects(registry);
  }

  void runOnOperation() override {
    const Level *found = findLevel(level);
    if (!found) {
      std::string names;
      for (const Level &known : cpuLevels())
        names += (names.empty() ? "" : ", ") + known.name.str();
      getOperation().emitError("expected level to be one of ") << names << ", found '" << level << "'";
      return signalPassFailure();
    }
    llvm::SmallVector<kern::FuncOp> functions(getOperation().getOps<kern::FuncOp>());
    for (kern::FuncOp function : functions)
      if (failed(lower(function, *found)))
        return signalPassFailure();
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      if (!isa<ModuleOp>(op))
        op.erase();
  }

  LogicalResult lower(kern::FuncOp function, const Level &target) {
    for (const auto &[limit, name] : function.getVariants()) {
      auto module = ModuleOp::create(function.getLoc(), llvm::StringRef(name));
      getOperation().push_back(module);
      if (failed(emitKernel(module, EmitRequest{function, name, target, limit})))
        return failure();
    }
    return success();
  }
};

} // namespace
} // namespace llmc
