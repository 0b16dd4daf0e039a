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
};

} // namespace
} // namespace llmc
