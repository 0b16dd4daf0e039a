// A kern.func with a linear as machine code: prologue rows into scratch, the product, the region's epilogue on its
// sums.
#include "codegen/cpu/matmul/MatmulKernel.h"

#include "codegen/cpu/RegionEmitter.h"
#include "codegen/cpu/kvwrite/HeadWriter.h"
#include "codegen/cpu/matmul/MatmulDriver.h"
#include "codegen/cpu/rows/RowCount.h"
#include "dialects/LLM/LLMTypes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <optional>

using namespace mlir;

namespace llmc {
namespace {

class KernelWriter {
  using Values = KernelBuilder::Values;

public:
  KernelWriter(ModuleOp module, const EmitRequest &request, const MatmulPlan &plan)
      : plan_(plan), function_(request.function), block_(function_.getBody().front()),
        inputs_(block_.getNumArguments()), results_(block_.getTerminator()->getNumOperands()),
        k_(module, request.symbol, inputs_ + results_ + 1, request.level), args_(inputArguments()),
        region_(k_, block_, args_) {}

  LogicalResult write() {
    FailureOr<Value> rows = rowCount(k_, function_, args_);
    if (failed(rows) || failed(collectHeads()))
      return failure();
    MatmulWords words;
    words.weights = region_.pointer(plan_.linear.getW());
    words.scratch =
        k_.address(k_.arg(inputs_ + results_), k_.mul(k_.worker(), matmulScratchBytes(function_, kPrologueRows)));
    words.rows = *rows;
    if (plan_.prologue) {
      writeBlocks(words);
    } else {
      words.x = region_.pointer(plan_.linear.getX());
      writeProduct(words, Value());
    }
    k_.finish();
    return region_.status();
  }

private:
  KernelBuilder::Values inputArguments() {
    KernelBuilder::Values words;
    for (unsigned i = 0; i < inputs_; ++i)
      words.push_back(k_.arg(i));
    return words;
  }

  /// Every worker makes all rows of x for itself: that is cheaper than a barrier for the few rows of a decode step.
  void writeBlocks(MatmulWords words) {
    Value all = words.rows;
    k_.shareOutOnlyIf(k_.less(all, k_.c(kPrologueRows + 1)));
    words.x = k_.address(words.scratch, Value(), matmulScratchBytes(plan_.shape));
    k_.forEach(k_.c(0), all, kPrologueRows, [&](Value first) {
      words.rows = k_.minSI(k_.sub(all, first), k_.c(kPrologueRows));
      k_.forEach(k_.c(0), words.rows, 1, [&](Value row) {
        Value at = k_.address(words.x, k_.mul(row, plan_.shape.xStride()));
        region_.storeRow(plan_.linear.getX(), k_.add(first, row), at);
      });
      writeProduct(words, first);
    });
  }

  void writeProduct(const MatmulWords &words, Value first) {
    MatmulDealing dealing;
    if (heads_)
      dealing.unit = [&](Value i) { return headInTurn(i); };
    dealing.ahead = ahead();
    if (computesFirst())
      dealing.before = [&](llvm::ArrayRef<OutputRow> outputs, Value unit) {
        computeGroups(numbersOf(outputs, first), outputs, unit);
      };
    const int64_t together = plan_.quantizes && plan_.shape.manyRows() ? RegionEmitter::rowsTogether(k_) : 1;
    emitMatmul(
        k_, plan_.shape, words, together,
        [&](llvm::ArrayRef<OutputRow> outputs, Value unit) {
          const Values rows = numbersOf(outputs, first);
          bindSums(rows, outputs, unit);
          if (computesFirst())
            bindGroups(rows, outputs, unit);
          if (plan_.quantizes)
            writeQuantized(rows, unit);
          else
            writeResult(rows.front(), unit);
        },
        dealing);
  }

  /// The rows' numbers in the step, of which those of a prologue block start at `first`.
  Values numbersOf(llvm::ArrayRef<OutputRow> outputs, Value first) {
    Values rows;
    for (const OutputRow &output : outputs)
      rows.push_back(first ? k_.add(first, output.row) : output.row);
    return rows;
  }

  /// The cache that kern-fetch-ahead gave the kernel.
  MatmulAhead ahead() {
    MatmulAhead found;
    auto panels = function_->getAttrOfType<IntegerAttr>(kern::kPanelsBeforeAttr);
    if (!panels)
      return found;
    for (auto [word, argument] : llvm::zip(args_, block_.getArguments())) {
      if (isa<llm::BatchType>(argument.getType()))
        found.batch = word;
      auto kv = dyn_cast<llm::KvType>(argument.getType());
      if (!kv)
        continue;
      found.cache = word;
      found.layerBytes = kv.layerBytes();
      found.pageBytes = kv.getLayers() * kv.layerBytes();
    }
    found.panelsBefore = panels.getInt();
    return found;
  }

  LogicalResult collectHeads() {
    if (!plan_.kvWrite)
      return success();
    heads_.emplace(k_, region_, plan_.kvWrite);
    if (failed(heads_->collect(function_)))
      return failure();
    for (const HeadPart &part : heads_->parts())
      if (!firstColumn(part.value))
        return plan_.kvWrite.emitOpError("has no code on the CPU: expected queries, keys and values from the product");
    return success();
  }

  /// The product's rows have all heads of queries, then those of keys, then those of values. Keys take the longest to
  /// store, and a worker with more of them than the others made all wait (1.25 times the mean, 32 rows and 3 workers):
  /// after each group of queries come its key and its value.
  Value headInTurn(Value i) {
    auto parts = heads_->parts();
    if (parts.size() != 3 || parts[0].heads % parts[1].heads != 0)
      return i;
    const int64_t group = parts[0].heads / parts[1].heads;
    Value turn = k_.divUI(i, group + 2), place = k_.remUI(i, group + 2);
    auto choose = [&](int64_t least, Value yes, Value no) -> Value {
      return arith::SelectOp::create(k_.b(), k_.less(place, k_.c(least)), yes, no);
    };
    Value queries = k_.add(k_.add(k_.mul(turn, group), place), firstUnit(parts[0]));
    return choose(group, queries,
                  choose(group + 1, k_.add(turn, firstUnit(parts[1])), k_.add(turn, firstUnit(parts[2]))));
  }

  int64_t firstUnit(const HeadPart &part) { return *firstColumn(part.value) / (plan_.shape.unitPanels * kPanelRows); }

  /// Head `unit` of the product's rows, to where the part that holds it goes.
  void writeHead(Value row, Value unit) {
    for (const HeadPart &part : heads_->parts()) {
      Value head = k_.add(unit, -firstUnit(part));
      Value here = arith::AndIOp::create(k_.b(), k_.less(k_.c(-1), head), k_.less(head, k_.c(part.heads)));
      k_.ifThen(here, [&] { heads_->emit(part, row, head); });
    }
  }

  /// The column of the product where a value made by slices, norms and ropes of heads starts, if it is made of it.
  static std::optional<int64_t> firstColumn(Value value) {
    int64_t column = 0;
    for (Operation *op = value.getDefiningOp(); op; op = op->getOperand(0).getDefiningOp()) {
      if (isa<llm::LinearOp>(op))
        return column;
      if (auto slice = dyn_cast<llm::SliceOp>(op))
        column += slice.getOffset();
    }
    return std::nullopt;
  }

  /// Chunks of the linear come from the sums of `rows` (and the bias) from now on.
  void bindSums(llvm::ArrayRef<Value> rows, llvm::ArrayRef<OutputRow> outputs, Value unit) {
    Value unitColumn = k_.mul(unit, plan_.shape.unitPanels * kPanelRows);
    llvm::DenseMap<Value, Value> sumsOf;
    for (auto [row, output] : llvm::zip(rows, outputs))
      sumsOf[row] = output.sums;
    region_.bind(plan_.linear.getResult(), [this, sumsOf, unitColumn](Value row, Value column) {
      VectorType type = k_.vec(kPanelRows, k_.f32());
      Value value = k_.load(type, sumsOf.lookup(row), k_.mul(k_.sub(column, unitColumn), 4), 0, 64);
      if (Value bias = plan_.linear.getBias())
        value = k_.addF(value, k_.load(type, region_.pointer(bias), k_.mul(column, 4), 0, 4));
      return value;
    });
  }

  llm::QuantizeOp quantize() { return plan_.result.getDefiningOp<llm::QuantizeOp>(); }

  /// Whether what is quantized is computed for all rows before the first is quantized. An activation and the reductions
  /// of a group are a chain of 190 cycles: in one loop each row waits for the one before it, in two the chains are
  /// short enough to overlap. With half the lanes and rows it gains nothing.
  bool computesFirst() {
    return k_.level().avx512 && plan_.quantizes && plan_.shape.manyRows() &&
           quantize().getX() != plan_.linear.getResult();
  }

  /// Where chunk `i` of a unit's group lies: over the first of the sums that it is made of.
  int64_t groupAt(int64_t i) const { return i * plan_.shape.unitPanels / 2 * kPanelRows * 4; }

  /// What is quantized of the unit's columns, over the sums. Rows may repeat, so all are read before one is written.
  void computeGroups(llvm::ArrayRef<Value> rows, llvm::ArrayRef<OutputRow> outputs, Value unit) {
    Value x = quantize().getX();
    region_.unbind(x);
    bindSums(rows, outputs, unit);
    Value column = k_.mul(unit, kQuantGroup);
    Values chunks;
    for (Value row : rows) {
      region_.prepareRow(x, row);
      for (int64_t i = 0; i < 2; ++i)
        chunks.push_back(region_.chunk(x, row, k_.add(column, i * kPanelRows)));
    }
    for (auto [i, chunk] : llvm::enumerate(chunks))
      k_.store(chunk, outputs[i / 2].sums, Value(), groupAt(static_cast<int64_t>(i % 2)), 64);
  }

  /// Chunks of what is quantized come from there.
  void bindGroups(llvm::ArrayRef<Value> rows, llvm::ArrayRef<OutputRow> outputs, Value unit) {
    Value first = k_.mul(unit, kQuantGroup);
    llvm::DenseMap<Value, Value> sumsOf;
    for (auto [row, output] : llvm::zip(rows, outputs))
      sumsOf[row] = output.sums;
    region_.bind(quantize().getX(), [this, sumsOf, first](Value row, Value column) {
      Value at = k_.mul(k_.sub(column, first), plan_.shape.unitPanels / 2 * 4);
      return k_.load(k_.vec(kPanelRows, k_.f32()), sumsOf.lookup(row), at, 0, 64);
    });
  }

  /// The quantized group that a unit makes of each of the rows.
  void writeQuantized(llvm::ArrayRef<Value> rows, Value unit) {
    Values pointers;
    for (Value row : rows)
      pointers.push_back(resultRow(plan_.result, row));
    region_.storeGroups(plan_.result.getDefiningOp<llm::QuantizeOp>(), rows, unit, 1, pointers);
  }

  /// The region's value for one row of one unit.
  void writeResult(Value row, Value unit) {
    if (heads_)
      return writeHead(row, unit);
    if (plan_.argmax)
      return writeTile(row, unit);
    Value result = plan_.result;
    Value out = resultRow(result, row);
    region_.prepareRow(result, row);
    Value column = k_.mul(unit, kPanelRows);
    storePanelColumns(k_, region_.chunk(result, row, column), out, column, llm::cols(result.getType()));
  }

  /// Row `row` of a result of the kernel in memory.
  Value resultRow(Value result, Value row) {
    unsigned word = inputs_;
    while (block_.getTerminator()->getOperand(word - inputs_) != result)
      ++word;
    return k_.address(k_.arg(word), k_.mul(row, RegionEmitter::rowStride(result.getType())));
  }

  /// Logits of tile `tile`: their largest, and themselves where the batch asks for the row.
  void writeTile(Value row, Value tile) {
    Value logits = plan_.result, kept = resultRow(plan_.keep, row), wanted = region_.wantsRow(plan_.keep, row);
    region_.prepareRow(logits, row);
    region_.storeTile(plan_.argmax, row, tile, resultRow(plan_.argmax, row), [&](Value column, Value chunk) {
      k_.ifThen(wanted, [&] { storePanelColumns(k_, chunk, kept, column, llm::cols(logits.getType())); });
    });
  }

  MatmulPlan plan_;
  kern::FuncOp function_;
  Block &block_;
  unsigned inputs_, results_;
  KernelBuilder k_;
  KernelBuilder::Values args_;
  RegionEmitter region_;
  std::optional<HeadWriter> heads_; ///< of a kernel with kv_write
};

} // namespace

LogicalResult emitMatmulKernel(ModuleOp module, const EmitRequest &request) {
  FailureOr<MatmulPlan> plan = planMatmul(request.function, request.mMax);
  if (failed(plan))
    return failure();
  return KernelWriter(module, request, *plan).write();
}

} // namespace llmc
