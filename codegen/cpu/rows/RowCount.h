// How many rows a kernel has to compute in this step.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"

namespace llmc {

/// Pointer of the first block argument that is a batch, or null. `words`: pointers of the block arguments.
mlir::Value batchPointer(mlir::Block &block, llvm::ArrayRef<mlir::Value> words);

/// M as i64: T or S of the batch by the rows of the function's results (T when it has none), or that number.
/// Failure (diagnostic on the function): rows T or S without a batch argument, or results with different rows.
mlir::FailureOr<mlir::Value> rowCount(KernelBuilder &k, kern::FuncOp function, llvm::ArrayRef<mlir::Value> words);

} // namespace llmc
