// Entry points of the CPU kernel families: each turns one kern.func into one function of a kernel module.
#pragma once

#include "codegen/cpu/Level.h"
#include "dialects/Kern/KernDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace llmc {

/// One variant of one kernel to emit: `function` (hero and region of llm ops; its argument words are the inputs, then
/// the results, then the scratch pointer if scratchBytes() > 0), for M <= mMax rows (0: any M), as `symbol`.
struct EmitRequest {
  kern::FuncOp function;
  llvm::StringRef symbol;
  const Level &level;
  int64_t mMax = 0;
};

/// Emits `request` into `module` by the hero's family. Failure: a diagnostic on the op that has no lowering.
mlir::LogicalResult emitKernel(mlir::ModuleOp module, const EmitRequest &request);

/// Bytes of scratch a worker needs (a multiple of 64; 0: no scratch word), the same at every level and variant.
/// `tMax`: rows of the program that uses the kernel when the kernel has a per-worker prologue.
int64_t scratchBytes(kern::FuncOp function, int64_t tMax);

/// The configuration of a variant for people: "direct, 8 x 16 sums in registers, 120 rows a block, ...".
std::string describeKernel(kern::FuncOp function, int64_t mMax, const Level &level);

/// Whether a variant's code is the same at two levels.
bool sameCode(kern::FuncOp function, int64_t mMax, const Level &one, const Level &other);

/// Whether a variant, at a level, gives a row the same bits as the other variants of the kernel that say so, the last
/// of which takes any number of rows whatever its class.
bool isExact(kern::FuncOp function, int64_t mMax, const Level &level);

/// All kern.funcs of one hero: what the functions above do for them. NAMEFamily.cpp in a folder of its own
/// defines `const KernelFamily kNAME`; KernelFamilies.cmake finds it.
struct KernelFamily {
  llvm::StringRef hero;
  mlir::LogicalResult (*emit)(mlir::ModuleOp module, const EmitRequest &request);
  int64_t (*scratchBytes)(kern::FuncOp function, int64_t tMax) = nullptr; ///< null: none
  /// Null, or an empty text: as the row kernels.
  std::string (*describe)(kern::FuncOp function, int64_t mMax, const Level &level) = nullptr;
  /// For levels with the same instructions; null: their code is the same.
  bool (*sameCode)(kern::FuncOp function, int64_t mMax, const Level &one, const Level &other) = nullptr;
  /// Null: the variant for any number of rows alone.
  bool (*isExact)(kern::FuncOp function, int64_t mMax, const Level &level) = nullptr;
};

/// All of them; a hero without one is computed row by row.
llvm::ArrayRef<const KernelFamily *> kernelFamilies();
mlir::LogicalResult emitRowKernel(mlir::ModuleOp module, const EmitRequest &request);

} // namespace llmc
