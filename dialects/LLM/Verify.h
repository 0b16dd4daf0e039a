// Checks shared by the op verifiers of the llm dialect; each takes the constraint it stands for.
#pragma once

#include "dialects/LLM/LLMTypes.h"

namespace llmc::llm {

/// Fails with "<constraint>: expected <expected> <what>, found <found>" unless they agree.
inline ::mlir::LogicalResult expectEqual(::mlir::Operation* op, const char* constraint, const char* what,
                                         int64_t expected, int64_t found) {
  if (expected == found) return ::mlir::success();
  return op->emitOpError() << constraint << ": expected " << expected << " " << what << ", found " << found;
}

/// Fails unless `type` is [rows, cols] of f32.
inline ::mlir::LogicalResult expectShape(::mlir::Operation* op, const char* constraint, ::mlir::Type type, Dim rows,
                                         int64_t columns) {
  if (rowsDim(type) == rows && cols(type) == columns) return ::mlir::success();
  return op->emitOpError() << constraint << ": expected a result [" << toString(rows) << ", " << columns << "], found ["
                           << toString(rowsDim(type)) << ", " << cols(type) << "]";
}

/// Fails unless the rows of `type` are `dynamic` or a number (literal data in tests).
inline ::mlir::LogicalResult expectRows(::mlir::Operation* op, const char* constraint, ::mlir::Type type, Dim dynamic) {
  Dim rows = rowsDim(type);
  if (rows == dynamic || rows.isFixed()) return ::mlir::success();
  return op->emitOpError() << constraint << ": expected rows " << toString(dynamic) << " or a number, found "
                           << toString(rows);
}

/// Fails unless `w` is one-dimensional with `length` elements.
inline ::mlir::LogicalResult expectVector(::mlir::Operation* op, const char* constraint, const char* what,
                                          ::mlir::Value w, int64_t length) {
  auto type = ::llvm::cast<WeightType>(w.getType());
  if (!type.isMatrix() && type.rows() == length) return ::mlir::success();
  return op->emitOpError() << constraint << ": expected " << what << " [" << length << "], found " << type;
}

}  // namespace llmc::llm
