// The fusion table's names for ops around a product.
#pragma once

#include "mlir/IR/Operation.h"

namespace llmc {

/// One elementwise op on a product's result, or null; `value` must have no other use for it to be taken in.
mlir::Operation *epilogueUser(mlir::Value value);

/// Tag of the fusion table for an op in a product's epilogue.
llvm::StringRef epilogueTag(mlir::Operation *op);

/// Tag of the fusion table for an op that makes the rows of a product.
llvm::StringRef prologueTag(mlir::Operation *op);

} // namespace llmc
