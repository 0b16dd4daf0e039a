// Evaluates the llm ops of a kernel's region 16 columns at a time: prologues, epilogues and row kernels come from here.
#pragma once

#include "codegen/cpu/KernelBuilder.h"
#include "dialects/LLM/LLMDialect.h"
#include "mlir/IR/Block.h"
#include "llvm/ADT/DenseMap.h"
#include <functional>

namespace llmc {

/// Emits code for values of one kern.func block. A value [M, N] is asked for as chunks: 16 columns of one row. Nothing
/// is materialised unless an op needs a whole row first (a norm's mean square); those needs are met by prepareRow().
/// In the last chunk of a row, lanes from N on are unspecified; memory behind them may always be read.
class RegionEmitter {
public:
  /// `argWords[i]`: pointer of block argument i (activations: row 0; weights: packed bytes; batch, kv: as the ABI).
  RegionEmitter(KernelBuilder &kernel, mlir::Block &block, llvm::ArrayRef<mlir::Value> argWords);

  using ChunkFn = std::function<mlir::Value(mlir::Value row, mlir::Value column)>;
  /// Supplies chunks of a value that something else computes (a hero's accumulators). Returned vectors are 16 x f32.
  void bind(mlir::Value value, ChunkFn chunk);
  /// The value is computed by its op again.
  void unbind(mlir::Value value) { bound_.erase(value); }
  /// Chunks of `value` are read from `rowPointer` (f32 columns) from now on.
  void bindRow(mlir::Value value, mlir::Value rowPointer);
  /// While a bound chunk function runs for an interleaved glu: 0 when it asks for gate columns, 1 for up columns
  /// (columns [32j, 32j + 16) and [32j + 16, 32j + 32) of the operand). Else 0.
  unsigned half() const { return half_; }

  /// Pointer of a block argument of the region.
  mlir::Value pointer(mlir::Value blockArgument) const;

  /// Emits what must be known about `row` (i64) before chunks of `value` can be asked for at that row: reductions of
  /// norms, softmax weights of attend_merge. Must be called inside the row loop, before chunk(); the results stay valid
  /// for that row's code only.
  void prepareRow(mlir::Value value, mlir::Value row);

  /// Columns [column, column + 16) of `row` of `value` as vector<16xf32>. `column` (i64) is a multiple of 16 unless
  /// `value` is made of block arguments by elementwise ops, slices and row selections only.
  mlir::Value chunk(mlir::Value value, mlir::Value row, mlir::Value column);

  /// Writes a whole row of `value` (f32, f16, bf16 or qact; prepares it first) at `rowPointer`, as the ABI lays rows
  /// out; a row of keep_rows only if the batch asks for it. Plain rows are written in whole chunks: the row's stride
  /// padding may change, nothing behind it.
  void storeRow(mlir::Value value, mlir::Value row, mlir::Value rowPointer);

  /// Quantizes the `count` groups of 32 columns from `first` on of each of `rows` (prepares them first) into the qact
  /// rows at `pointers`. Requires columns that are a multiple of 32; the last group also clears the rows' padding.
  /// Several rows share reductions and a division.
  void storeGroups(llm::QuantizeOp op, mlir::ValueRange rows, mlir::Value first, int64_t count,
                   mlir::ValueRange pointers);
  /// Rows of one group that registers hold together, for storeGroups().
  static int64_t rowsTogether(const KernelBuilder &kernel);

  using ChunkUse = std::function<void(mlir::Value column, mlir::Value chunk)>;
  /// Largest value and its first column of tile `tile` of `row`, where the result's row lies at `rowPointer`; `use`
  /// sees each chunk of the logits. Requires prepareRow(op.getLogits(), row).
  void storeTile(llm::ArgmaxOp op, mlir::Value row, mlir::Value tile, mlir::Value rowPointer, const ChunkUse &use);
  /// i1: the batch asks for `row`.
  mlir::Value wantsRow(llm::KeepRowsOp op, mlir::Value row);

  /// Failure once an op without a lowering was met (a diagnostic was emitted on it).
  mlir::LogicalResult status() const { return mlir::failure(failed_); }

  /// Bytes from one row of an activation or qact to the next.
  static int64_t rowStride(mlir::Type type);

private:
  using Values = KernelBuilder::Values;
  using FoldFn = llvm::function_ref<mlir::Value(mlir::Value acc, mlir::Value chunk)>;

  /// Horizontal sum of fold over `columns` (static) columns from `first` on; lanes past the end hold `fill`.
  mlir::Value foldRow(mlir::Value value, mlir::Value row, mlir::Value first, int64_t columns, mlir::Value fill,
                      FoldFn fold);
  /// Calls `body(column)` for every chunk of `columns`, four chunks a loop step.
  void forChunks(int64_t columns, llvm::function_ref<void(mlir::Value)> body);
  mlir::Value fail(mlir::Operation *op, llvm::StringRef why);
  mlir::Value zeros();
  /// 16 f32 of a plain f32 parameter from element `column` on.
  mlir::Value parameter(mlir::Value weight, mlir::Value column);
  /// Pointer of `row` when `value` lies in memory: a block argument, selected rows of one, or a slice of those.
  mlir::Value rowAddress(mlir::Value value, mlir::Value row);

  // prepare: fills prepared_[op's result]. chunk: uses it. One pair for each op that needs the whole row.
  void prepare(llm::RMSNormOp op, mlir::Value row);
  void prepare(llm::LayerNormOp op, mlir::Value row);
  void prepare(llm::EmbedOp op, mlir::Value row);
  void prepare(llm::AttendMergeOp op, mlir::Value row);
  void prepare(llm::RopeOp op, mlir::Value row);
  void prepare(llm::SelectRowsOp op, mlir::Value row);
  void prepare(llm::RoundRowsOp op, mlir::Value row);
  mlir::Value loadChunk(mlir::Value argument, mlir::Value row, mlir::Value column);
  mlir::Value chunk(llm::RMSNormOp op, mlir::Value row, mlir::Value column);
  mlir::Value chunk(llm::LayerNormOp op, mlir::Value row, mlir::Value column);
  mlir::Value chunk(llm::EmbedOp op, mlir::Value row, mlir::Value column);
  mlir::Value chunk(llm::AttendMergeOp op, mlir::Value row, mlir::Value column);
  mlir::Value chunk(llm::RopeOp op, mlir::Value row, mlir::Value column);
  mlir::Value chunk(llm::GluOp op, mlir::Value row, mlir::Value column);
  mlir::Value chunk(llm::CastOp op, mlir::Value row, mlir::Value column);
  mlir::Value chunk(llm::RoundRowsOp op, mlir::Value row, mlir::Value column);
  void storePlain(mlir::Value value, mlir::Value row, mlir::Value rowPointer);
  void storeTiles(llm::ArgmaxOp op, mlir::Value row, mlir::Value rowPointer);
  void storeQuantized(llm::QuantizeOp op, mlir::Value row, mlir::Value rowPointer);

  KernelBuilder &k_;
  llvm::DenseMap<mlir::Value, mlir::Value> pointers_;
  llvm::DenseMap<mlir::Value, ChunkFn> bound_;
  /// Per value: what prepareRow() computed for the current row (1/rms, row index of a select, ...).
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> prepared_;
  unsigned half_ = 0;
  bool failed_ = false;
};

} // namespace llmc
