// llm.argmax alone: a block a tile of a row of logits.
#include "codegen/cuda/KernelFrame.h"

#include "codegen/cuda/RegionPrinter.h"
#include "dialects/LLM/LLMTypes.h"

using namespace mlir;

namespace llmc {

/// Neighbours that a thread takes at once: whole vectors of a row and of its tiles.
static int64_t widthFor(int64_t columns, int64_t tile) {
  return std::min(RegionPrinter::vectorWidth(columns), RegionPrinter::vectorWidth(tile));
}

/// Elements of the tile that starts at column `first`, into `best`.
static void printTile(SourceWriter &writer, RegionPrinter &region, llm::ArgmaxOp op, int64_t threads) {
  const int64_t columns = llm::cols(op.getLogits().getType()), tile = op.getTile(), width = widthFor(columns, tile);
  writer.line("Best best = noColumn();");
  writer.line("#pragma unroll");
  auto loop = writer.scope("for (int at = static_cast<int>(threadIdx.x) * " + Twine(width) + "; at < " + Twine(tile) +
                           "; at += " + Twine(threads * width) + ")");
  writer.line("const int col = first + at;");
  std::optional<SourceWriter::Scope> guard;
  if (columns % tile != 0)
    guard.emplace(writer.scope("if (col < " + Twine(columns) + ")"));
  auto elements = region.elements(op.getLogits(), "row", "col", width);
  writer.origin(op);
  for (auto [i, element] : llvm::enumerate(elements))
    writer.line("best = largerOf(best, counted(" + element + ", col + " + Twine(i) + "));");
}

FailureOr<KernelText> emitCudaArgmax(const CudaRequest &request) {
  kern::FuncOp function = request.function;
  Block &block = function.getBody().front();
  OperandRange results = block.getTerminator()->getOperands();
  auto op = results.size() == 1 ? results.front().getDefiningOp<llm::ArgmaxOp>() : llm::ArgmaxOp();
  if (!op)
    return function.emitError("expected a kernel of argmax to have the llm.argmax as its one result");
  SourceWriter writer;
  const int64_t width = widthFor(llm::cols(op.getLogits().getType()), op.getTile());
  const int64_t threads = std::min<int64_t>(256, (op.getTile() / width + 31) / 32 * 32);
  KernelFrame frame(writer, request, threads);
  RegionPrinter region(writer, block, frame.arguments());
  FailureOr<std::string> count = frame.rowCount();
  if (failed(count))
    return failure();
  if (region.needsRow(op.getLogits()))
    return op.emitOpError("has no code on CUDA here: a tile's block has no whole row of its logits");
  writer.line("const int row = static_cast<int>(blockIdx.x), tile = static_cast<int>(blockIdx.y);");
  writer.line("if (row >= " + *count + ")");
  writer.line("  return;");
  writer.line("const int first = tile * " + Twine(op.getTile()) + ";");
  printTile(writer, region, op, threads);
  writer.line("best = blockBest<" + Twine(threads) + ">(best);");
  writer.line("if (threadIdx.x == 0) {");
  writer.line("  float *const out = reinterpret_cast<float *>(" + frame.results().front() +
              " + static_cast<i64>(row) * " + Twine(RegionPrinter::rowStride(op.getType())) + ");");
  writer.line("  out[tile] = best.value;");
  writer.line("  out[" + Twine(op.tiles()) + " + tile] = static_cast<float>(best.column);");
  writer.line("}");
  if (failed(region.status()))
    return failure();
  KernelText text = frame.finish();
  text.grid[0] = GridDim::rows(*frame.rows(), 1);
  text.grid[1] = GridDim::fixed(op.tiles());
  text.config = std::to_string(threads) + " threads a tile of " + std::to_string(op.getTile()) + " columns";
  return text;
}

} // namespace llmc
