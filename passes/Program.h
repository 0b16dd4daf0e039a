// What a pass may take for granted about the functions of a module, asked for before it is used.
#pragma once

#include "dialects/LLM/LLMTypes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// The functions with a body, programs among them; declarations have nothing to rewrite.
llvm::SmallVector<mlir::func::FuncOp> definedFunctions(mlir::ModuleOp module);

/// The batch, first argument of a program; null when `function` has none.
mlir::Value batchOf(mlir::func::FuncOp function);

/// The end of the body; null when it is no func.return.
mlir::func::ReturnOp returnOf(mlir::func::FuncOp function);

/// The batch of a function whose kernels are formed. Fails, and says so, when there are ops of a model to form kernels
/// of and no batch; null when there are none.
mlir::FailureOr<mlir::Value> batchForKernels(mlir::func::FuncOp function);

} // namespace llmc
