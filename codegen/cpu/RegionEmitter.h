// Evaluates the llm ops of a kernel's region 16 columns at a time: prologues, epilogues and row kernels all come from here.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "mlir/IR/Block.h"
#include "llvm/ADT/DenseMap.h"
#include <functional>

namespace llmc {

/// Emits code for values of one kern.func block. A value [M, N] is asked for as chunks: 16 columns of one row. Nothing
/// is materialised unless an op needs a whole row first (a norm's mean square); those needs are met by prepareRow().
class RegionEmitter {
public:
  /// `argWords[i]`: pointer of block argument i (activations: row 0; weights: packed bytes; batch, kv: as the ABI).
  RegionEmitter(KernelBuilder &kernel, mlir::Block &block, llvm::ArrayRef<mlir::Value> argWords);

  using ChunkFn = std::function<mlir::Value(mlir::Value row, mlir::Value column)>;
  /// Supplies chunks of a value that something else computes (a hero's accumulators). Returned vectors are 16 x f32.
  void bind(mlir::Value value, ChunkFn chunk);

  /// Pointer of a block argument of the region.
  mlir::Value pointer(mlir::Value blockArgument) const;

  /// Emits what must be known about `row` (i64) before chunks of `value` can be asked for at that row: reductions of
  /// norms, softmax weights of attend_merge. Must be called inside the row loop, before chunk(); the results stay valid
  /// for that row's code only.
  void prepareRow(mlir::Value value, mlir::Value row);

  /// Columns [column, column + 16) of `row` of `value` as vector<16xf32>. `column` (i64) is a multiple of 16.
  mlir::Value chunk(mlir::Value value, mlir::Value row, mlir::Value column);

  /// Writes a whole row of `value` (f32 or qact; prepares it first) at `rowPointer`, in the ABI's row layout.
  void storeRow(mlir::Value value, mlir::Value row, mlir::Value rowPointer);

private:
  struct RowState;
  KernelBuilder &k_;
  llvm::DenseMap<mlir::Value, mlir::Value> pointers_;
  llvm::DenseMap<mlir::Value, ChunkFn> bound_;
  /// Per value: what prepareRow() computed for the current row (1/rms, row index of a select, ...).
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> prepared_;
};

} // namespace llmc
