// From a module of one kernel (func, scf, vector, arith, math, llvm dialects) to an object file for one CPU level.
#pragma once

#include "codegen/cpu/Level.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <string>

namespace llmc {

/// What the compiler can leave behind for people, each as text; filled when asked for.
struct KernelListing {
  std::string mlir;   ///< the kernel in scf/vector/llvm form
  std::string llvmIr; ///< after the light pass list
  std::string assembly;
};

/// The object file of a kernel and, when asked for, its listing.
struct CompiledKernel {
  llvm::SmallVector<char, 0> object;
  KernelListing listing;
};

/// Dialects and translations that kernel modules need; call on the registry of each context that holds such modules.
void registerKernelDialects(mlir::DialectRegistry &registry);

/// Lowers `module` in place and compiles it. The pass list is short on purpose: LLVM's -O3 reassociates, hoists and
/// unrolls the tile loops until they spill (measured: 131 vector stack references instead of 0).
/// Thread-safe for modules of different contexts. Errors: a diagnostic text of MLIR or LLVM.
llvm::Expected<CompiledKernel> compileKernel(mlir::ModuleOp module, const Level &level, bool wantListing);

} // namespace llmc
