// Kernels without a product, attention or cache write: a block a row, or a part of one where no op needs a whole row.
#include "codegen/cuda/KernelFrame.h"

#include "codegen/cuda/RegionPrinter.h"
#include "dialects/LLM/LLMTypes.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kPartThreads = 128; // of a block that has a part of a row

/// Threads for a row of `columns`: about two vectors each for widths that models have, whole warps.
static int64_t threadsFor(int64_t columns) {
  const int64_t vectors = columns / RegionPrinter::vectorWidth(columns);
  const int64_t limit = vectors > 512 * 8 ? 1024 : 512, perThread = (vectors + limit - 1) / limit;
  return ((vectors + perThread - 1) / perThread + 31) / 32 * 32;
}

/// Columns that the row's loops run over: the widest of results and normalised values.
static int64_t widest(Block &block) {
  int64_t columns = 1;
  for (Value result : block.getTerminator()->getOperands())
    columns = std::max(columns, llm::cols(result.getType()));
  for (Operation &op : block)
    if (isa<llm::RMSNormOp, llm::LayerNormOp>(op))
      columns = std::max(columns, llm::cols(op.getOperand(0).getType()));
  return columns;
}

static LogicalResult checkResults(kern::FuncOp function) {
  Operation *yield = function.getBody().front().getTerminator();
  if (yield->getNumOperands() == 0)
    return function.emitError("expected a kernel of rows to have a result");
  for (Value result : yield->getOperands())
    if (auto quantized = dyn_cast<llm::QActType>(result.getType()); quantized && quantized.isE4M3()) {
      if (result.getDefiningOp<llm::QuantizeOp>())
        continue;
      return function.emitError("expected rows of e4m3 to come from llm.quantize");
    } else if (!isa<RankedTensorType>(result.getType()) || cast<RankedTensorType>(result.getType()).getRank() != 2) {
      Operation *op = result.getDefiningOp() ? result.getDefiningOp() : function.getOperation();
      return op->emitOpError() << "has no code on CUDA here: its result " << result.getType()
                               << " is not rows of f32, f16 or bf16 (int8 rows are the CPU's)";
    }
  return success();
}

/// Results by columns, so that those of one width share a loop and what both read.
static void printStores(SourceWriter &writer, RegionPrinter &region, OperandRange results,
                        llvm::ArrayRef<std::string> targets) {
  llvm::SmallVector<int64_t> widths;
  for (Value result : results)
    if (!llvm::is_contained(widths, llm::cols(result.getType())))
      widths.push_back(llm::cols(result.getType()));
  for (int64_t columns : widths)
    region.forColumns(columns, [&](const std::string &col) {
      for (auto [result, target] : llvm::zip(results, targets))
        if (llm::cols(result.getType()) == columns)
          region.store(result, "row", col, target, RegionPrinter::vectorWidth(columns));
    });
}

FailureOr<KernelText> emitCudaRowKernel(const CudaRequest &request) {
  kern::FuncOp function = request.function;
  if (failed(checkResults(function)))
    return failure();
  Block &block = function.getBody().front();
  OperandRange results = block.getTerminator()->getOperands();
  const int64_t columns = widest(block), width = RegionPrinter::vectorWidth(columns);
  SourceWriter writer;
  llvm::SmallVector<std::string> unused(block.getNumArguments());
  const bool whole = llvm::any_of(results, [&](Value result) {
    return RegionPrinter(writer, block, unused).needsRow(result) || llm::cols(result.getType()) != columns;
  });
  const int64_t threads = whole ? threadsFor(columns) : kPartThreads;
  KernelFrame frame(writer, request, threads);
  RegionPrinter region(writer, block, frame.arguments());
  region.setThreads(threads);
  FailureOr<std::string> count = frame.rowCount();
  if (failed(count))
    return failure();
  writer.line("const int row = static_cast<int>(blockIdx.x);");
  writer.line("if (row >= " + *count + ")");
  writer.line("  return;");
  if (whole) {
    for (Value result : results)
      region.prepareRow(result, "row");
    printStores(writer, region, results, frame.results());
    for (auto [result, target] : llvm::zip(results, frame.results()))
      region.storeRowEnd(result, "row", target);
  } else {
    std::string scale = width == 1 ? "" : " * " + std::to_string(width);
    writer.line("const int col = (static_cast<int>(blockIdx.y) * " + std::to_string(threads) +
                " + static_cast<int>(threadIdx.x))" + scale + ";");
    writer.line("if (col >= " + llvm::Twine(columns) + ")");
    writer.line("  return;");
    for (auto [result, target] : llvm::zip(results, frame.results()))
      region.store(result, "row", "col", target, width);
  }
  if (failed(region.status()))
    return failure();
  KernelText text = frame.finish();
  text.grid[0] = GridDim::rows(*frame.rows(), 1);
  if (!whole)
    text.grid[1] = GridDim::fixed((columns + threads * width - 1) / (threads * width));
  text.config = std::to_string(threads) + " threads " + (whole ? "a row" : "a part of a row") + ", " +
                std::to_string(width) + (width == 1 ? " column" : " columns") + " a load";
  return text;
}

} // namespace llmc
