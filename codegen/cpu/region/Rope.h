// Rotary embedding of one head held in registers.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "dialects/LLM/LLMDialect.h"

namespace llmc {

/// Rotates heads of `headDim` columns (a multiple of 16) by the angles of one token.
class RopeRotator {
public:
  /// `table`, `batch`: pointers. `op` must have a table.
  RopeRotator(KernelBuilder &k, llm::RopeOp op, mlir::Value table, mlir::Value batch);

  /// Loads cosines and sines of token `row` (i64); call in the code that rotates heads of that row.
  void setRow(mlir::Value row);

  /// `head`: headDim / 16 vectors of 16 x f32. Returns the same, rotated.
  KernelBuilder::Values rotate(llvm::ArrayRef<mlir::Value> head);

private:
  mlir::Value rotateChunk(llvm::ArrayRef<mlir::Value> head, int64_t first);

  KernelBuilder &k_;
  mlir::Value table_, batch_;
  int64_t dim_, half_, highRows_;
  bool neox_;
  KernelBuilder::Values cos_, sin_; ///< 16 frequencies a vector
};

} // namespace llmc
