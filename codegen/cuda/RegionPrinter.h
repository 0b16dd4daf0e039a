// Prints the llm ops of a kernel's region as CUDA C++, one element at a time: epilogues and row kernels come from here.
#pragma once

#include "codegen/cuda/SourceWriter.h"
#include "dialects/LLM/LLMDialect.h"
#include "mlir/IR/Block.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include <functional>
#include <string>

namespace llmc {

/// Prints values of one kern.func block. Element (row, col) of a value [M, N] is an f32 expression; statements that it
/// needs are written first, where the writer stands. Rows and columns are int expressions (names or literals); the
/// same element asked for twice is computed twice. Nothing is materialised but what norms and attend_merge need to know
/// about a whole row: see prepareRow().
class RegionPrinter {
public:
  /// `arguments[i]`: pointer expression of block argument i (activations: row 0; weights: packed bytes; batch: Batch
  /// *).
  RegionPrinter(SourceWriter &writer, mlir::Block &block, llvm::ArrayRef<std::string> arguments);

  using ElementFn = std::function<std::string(std::string row, std::string col)>;
  using Elements = llvm::SmallVector<std::string, 4>;
  /// Supplies elements of a value that something else computes (a hero's accumulators).
  void bind(mlir::Value value, ElementFn element);
  /// While a bound function runs for an interleaved glu: 0 when it is asked for a gate column, 1 for an up column
  /// (columns [32j, 32j + 16) and [32j + 16, 32j + 32) of the operand; the column is passed, too). Else 0.
  unsigned half() const { return half_; }

  /// Pointer expression of a block argument of the region.
  const std::string &pointer(mlir::Value blockArgument) const;

  /// Writes what must be known about `row` before elements of `value` can be asked for at that row: sums of norms,
  /// weights of attend_merge. Reduces over the block: every thread of it must reach this code with the same row. A row
  /// whose ops need nothing of it (no norm, no attend_merge) writes nothing and need not be prepared.
  void prepareRow(mlir::Value value, const std::string &row);

  /// f32 expression of element (row, col) of `value`.
  std::string element(mlir::Value value, const std::string &row, const std::string &col);
  /// `count` (1, 2 or 4) neighbours from `col` on, a multiple of count, in the row: with vector loads where they are
  /// aligned.
  Elements elements(mlir::Value value, const std::string &row, const std::string &col, int64_t count);

  /// Writes element (row, col) of `value`, or `count` from col on, to the result whose row 0 is at `pointer`, rounded
  /// to the value's element type (f32, f16, bf16). Rows and columns that do not exist are the caller's to leave out.
  void store(mlir::Value value, const std::string &row, const std::string &col, const std::string &pointer,
             int64_t count = 1);

  /// Failure once an op without a lowering was met (a diagnostic was emitted on it).
  mlir::LogicalResult status() const { return mlir::failure(failed_); }

  /// Bytes from one row of an activation to the next.
  static int64_t rowStride(mlir::Type type);

private:
  std::string fail(mlir::Operation *op, llvm::StringRef why);

  SourceWriter &w_;
  llvm::DenseMap<mlir::Value, std::string> pointers_;
  llvm::DenseMap<mlir::Value, ElementFn> bound_;
  /// Per value: names of what prepareRow() computed for the current row.
  llvm::DenseMap<mlir::Value, llvm::SmallVector<std::string>> prepared_;
  unsigned half_ = 0;
  bool failed_ = false;
};

} // namespace llmc
