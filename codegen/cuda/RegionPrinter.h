// Prints the llm ops of a kernel's region as CUDA C++, one element at a time: epilogues and row kernels come from here.
#pragma once

#include "codegen/cuda/SourceWriter.h"
#include "dialects/LLM/LLMDialect.h"
#include "mlir/IR/Block.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include <functional>
#include <optional>
#include <string>

namespace llmc {

/// Prints values of one kern.func block. Element (row, col) of a value [M, N] is an f32 expression; statements that it
/// needs are written first, where the writer stands. Rows and columns are int expressions (names or literals). The same
/// element asked for twice is computed twice, but for rows that prepareRow() went over and kept in registers.
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

  /// Threads of a block, a multiple of 32; prepareRow() and forColumns() need it.
  void setThreads(int64_t threads) { threads_ = threads; }

  /// True when prepareRow() must be called before elements of `value` are asked for: a norm or attend_merge is in it.
  bool needsRow(mlir::Value value) const;
  /// Writes what must be known about `row` before elements of `value` can be asked for at that row: sums of norms,
  /// weights of attend_merge. Reduces over the block: every thread of it must reach this code with the same row. Rows
  /// that fit are kept in registers for forColumns(). What it wrote is known where the writer stands and deeper, until
  /// forgetRow().
  void prepareRow(mlir::Value value, const std::string &row);
  /// The same for columns [head * headDim, (head + 1) * headDim) of `value` alone, reduced over one warp, all lanes of
  /// which must reach this code. Norms over the whole row must have been prepared by prepareWhole() before.
  void prepareHead(mlir::Value value, const std::string &row, const std::string &head, int64_t headDim);
  /// prepareRow() of those ops only that prepareHead() has no part for.
  void prepareWhole(mlir::Value value, const std::string &row, int64_t headDim);
  /// What is known about the row, or about the head, is known no more: its names end with a scope, or the row changes.
  void forgetRow();
  void forgetHead();

  /// Writes a loop in which the threads of the block visit `columns` columns, vectorWidth(columns) neighbours at once
  /// and each once; `body(col)` writes what one thread does at col and its neighbours.
  void forColumns(int64_t columns, llvm::function_ref<void(const std::string &col)> body);
  /// Neighbours that one thread takes of a row of `columns`: 4, 2 or 1.
  static int64_t vectorWidth(int64_t columns) { return columns % 4 == 0 ? 4 : columns % 2 == 0 ? 2 : 1; }

  /// f32 expression of element (row, col) of `value`.
  std::string element(mlir::Value value, const std::string &row, const std::string &col);
  /// `count` (1, 2 or 4) neighbours from `col` on, a multiple of count, in the row: with vector loads where they are
  /// aligned.
  Elements elements(mlir::Value value, const std::string &row, const std::string &col, int64_t count);

  /// Writes `count` elements from (row, col) on to the result whose row 0 is at `pointer`, rounded to the value's
  /// element type (f32, f16, bf16). Rows and columns that do not exist are the caller's to leave out.
  void store(mlir::Value value, const std::string &row, const std::string &col, const std::string &pointer,
             int64_t count = 1);

  /// Writes what a row has beside its elements: the scale of e4m3, and zeros up to it. For one block that has the row.
  void storeRowEnd(mlir::Value value, const std::string &row, const std::string &pointer);

  /// Failure once an op without a lowering was met (a diagnostic was emitted on it).
  mlir::LogicalResult status() const { return mlir::failure(failed_); }

  /// Bytes from one row of an activation to the next.
  static int64_t rowStride(mlir::Type type);

private:
  /// The columns of a row that a thread visits, while their loop is written.
  struct Walk {
    std::string index, col; ///< step of the loop, first column of the step
    int64_t columns = 0;
  };
  /// A row of a value in registers: name[step of the walk][neighbour].
  struct Kept {
    std::string name, row;
    int64_t columns = 0;
  };
  std::string fail(mlir::Operation *op, llvm::StringRef why);
  Elements failed(mlir::Operation *op, llvm::StringRef why, int64_t count);
  /// One const float each, called `hint_N`, or the values themselves where they are names.
  Elements name(llvm::StringRef hint, llvm::ArrayRef<std::string> values);
  Elements single(mlir::Value value, const std::string &row, const std::string &col, int64_t count);
  Elements load(const std::string &base, mlir::Type element, int64_t stride, const std::string &row,
                const std::string &col, int64_t count);
  /// `count` f32 of a plain parameter from `col` on.
  Elements parameter(mlir::Value weight, const std::string &col, int64_t count);
  /// Expression of the address of (row, column 0) when `value` lies in memory: a block argument, selected rows of one,
  /// or a slice of those. Else empty.
  std::string address(mlir::Value value, const std::string &row);
  std::string batchField(mlir::Value batch, llvm::StringRef field, const std::string &index);
  /// The id of token `row`, given or left by the step before.
  std::string tokenOf(mlir::Value batch, const std::string &row);
  /// Row of x that `row` of the selection is.
  std::string sourceRow(llm::SelectRowsOp op, const std::string &row);
  int64_t steps(int64_t columns) const;

  // prepare: fills prepared_[op's result]. One for each op that needs the whole row, or reads something once a row.
  void prepare(llm::RMSNormOp op, const std::string &row);
  void prepareSegments(llm::RMSNormOp op, const std::string &row, int64_t segment);
  void prepare(llm::LayerNormOp op, const std::string &row);
  void prepare(llm::AttendMergeOp op, const std::string &row);
  void prepare(llm::QuantizeOp op, const std::string &row);
  void storeE4M3(llm::QuantizeOp op, const std::string &row, const std::string &col, const std::string &pointer,
                 int64_t count);
  /// Keeps the row of x if it fits, and calls `body(element)` for each of a thread's elements of it.
  void forRow(mlir::Value x, const std::string &row, llvm::function_ref<void(const std::string &element)> body);

  Elements print(llm::RMSNormOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::LayerNormOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::EmbedOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::AttendMergeOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::RopeOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::SelectRowsOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::SliceOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::GluOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::CastOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::ActOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::ScaleOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::SoftcapOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::AddOp op, const std::string &row, const std::string &col, int64_t count);
  Elements print(llm::MulOp op, const std::string &row, const std::string &col, int64_t count);

  SourceWriter &w_;
  llvm::DenseMap<mlir::Value, std::string> pointers_;
  llvm::DenseMap<mlir::Value, ElementFn> bound_;
  /// Per value: names of what was prepared for the current row. Norms: the factor, or an array of one a segment.
  llvm::DenseMap<mlir::Value, llvm::SmallVector<std::string>> prepared_;
  llvm::SmallVector<mlir::Value> preparedHead_; ///< those of prepared_ that prepareHead() wrote
  llvm::DenseMap<mlir::Value, Kept> kept_;
  std::optional<Walk> walk_;
  int64_t threads_ = 0;
  unsigned half_ = 0;
  bool failed_ = false;
};

} // namespace llmc
