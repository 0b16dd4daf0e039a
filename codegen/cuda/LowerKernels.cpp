// kern-lower-cuda: the CUDA C++ text of each variant of each kern.func on standard output, in place of the functions.
#include "codegen/cuda/LowerKernels.h"

#include "codegen/cuda/KernelText.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/raw_ostream.h"

namespace llmc {

using namespace mlir;

namespace {

void printGrid(llvm::raw_ostream &out, const GridDim &dim) {
  bool any = dim.base != 0;
  if (any)
    out << dim.base;
  auto term = [&](int64_t tile, int64_t count, const char *of) {
    if (count == 0)
      return;
    out << (any ? " + " : "") << count << " * " << of;
    if (tile > 1)
      out << "/" << tile;
    any = true;
  };
  term(dim.tTile, dim.tTile ? dim.tCount : 0, "T");
  term(dim.sTile, dim.sTile ? dim.sCount : 0, "S");
  term(0, dim.seqCount, "sequences");
}

/// Why: a build writes and compiles each variant on its own; here one can read the text and check it.
/// Before: `kern.func @add(..) attributes {hero = "pointwise"} {llm.add ..}`
/// After: `extern "C" __global__ void .. add_any(const __grid_constant__ Args args) {..}` on standard output, after a
/// comment with the launch; the module is empty.
/// Limits: calls and programs go, too; functions without a config have one variant, for any number of rows. An op
/// without code on CUDA is an error on it.
struct LowerCudaKernelsPass : PassWrapper<LowerCudaKernelsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerCudaKernelsPass)

  LowerCudaKernelsPass() = default;
  LowerCudaKernelsPass(const LowerCudaKernelsPass &other) : PassWrapper(other) {}

  llvm::StringRef getArgument() const override { return "kern-lower-cuda"; }
  llvm::StringRef getDescription() const override { return "prints kern.funcs as CUDA C++ for one architecture"; }

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
      llvm::raw_ostream &out = llvm::outs();
      out << "// launch " << name << ": grid (";
      for (int i = 0; i < 3; ++i) {
        printGrid(out, kernel->grid[i]);
        if (i == 0 && kernel->blocksPerSm > 0)
          out << ", at most " << kernel->blocksPerSm << " a multiprocessor";
        out << (i < 2 ? ", " : ")");
      }
      out << ", " << kernel->threads << " threads, " << kernel->sharedBytes << " bytes of shared memory; "
          << kernel->config << "\n"
          << kernel->text << "\n";
    }
    return success();
  }

  Option<std::string> arch{*this, "arch", llvm::cl::desc("GPU architecture, as llmc build --target cuda: has them"),
                           llvm::cl::init("sm_90a")};
};

} // namespace

void registerLowerCudaKernels() { PassRegistration<LowerCudaKernelsPass>(); }

} // namespace llmc
