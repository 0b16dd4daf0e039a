// kern-lower-cpu: each variant of each kern.func as a module of vector, scf and llvm ops, in place of the function.
#include "codegen/cpu/LowerKernels.h"

#include "codegen/cpu/KernelEmitter.h"
#include "codegen/cpu/ObjectCompiler.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"

namespace llmc {

using namespace mlir;

namespace {

/// Why: a build lowers each variant in a context of its own, out of reach of a pass pipeline; here the same code is
/// one. Before: `kern.func @linear_960x576(..) attributes {config = [#kern.config<m_max = 1>, ..]} {llm.linear ..}`
/// After:  `module @linear_960x576_m1 {func.func @linear_960x576_m1(..) -> i32 {scf.for .. llvm.call_intrinsic ..}}`
/// Limits: calls and programs go, too, because nothing is left to call; functions without a config have one variant,
/// for any number of rows. An op without code for the level is an error on it.
struct LowerKernelsPass : PassWrapper<LowerKernelsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerKernelsPass)

  LowerKernelsPass() = default;
  LowerKernelsPass(const LowerKernelsPass &other) : PassWrapper(other) {}

  llvm::StringRef getArgument() const override { return "kern-lower-cpu"; }
  llvm::StringRef getDescription() const override { return "kern.funcs to vector, scf and llvm ops for one CPU level"; }
  void getDependentDialects(DialectRegistry &registry) const override { registerKernelDialects(registry); }

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

  Option<std::string> level{*this, "level", llvm::cl::desc("CPU level, as llmc build --cpu-levels has them"),
                            llvm::cl::init("x86-64-v3")};
};

} // namespace

void registerLowerKernels() { PassRegistration<LowerKernelsPass>(); }

} // namespace llmc
