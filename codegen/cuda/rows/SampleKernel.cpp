// llm.sample: a block a row of logits; the work is device/sample.cuh, the text says for which vocabulary.
#include "codegen/cuda/KernelFrame.h"

#include "codegen/cuda/RegionPrinter.h"
#include "dialects/LLM/LLMTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace llmc {

/// Threads for a row of `columns`: a row is one block's, so that many hide the latency of reading it.
static int64_t samplerThreads(int64_t columns) { return columns >= 32768 ? 1024 : columns >= 4096 ? 512 : 256; }

/// Bytes of RowSampler's arrays: 2048 candidates of 8, 1024 bins of 12, a bit a token.
static int64_t sharedBytesFor(int64_t columns) { return 2048 * 8 + 1024 * 12 + (columns + 31) / 32 * 4; }

FailureOr<KernelText> emitCudaSample(const CudaRequest &request) {
  kern::FuncOp function = request.function;
  Block &block = function.getBody().front();
  OperandRange results = block.getTerminator()->getOperands();
  auto op = results.size() == 1 ? results.front().getDefiningOp<llm::SampleOp>() : llm::SampleOp();
  if (!op || !isa<BlockArgument>(op.getLogits()) || !isa<BlockArgument>(op.getBest()))
    return function.emitError("expected a kernel of sample to have one llm.sample, of logits in memory, as its result");
  const int64_t columns = llm::cols(op.getLogits().getType()), threads = samplerThreads(columns);
  const int64_t shared = sharedBytesFor(columns);
  if (shared > request.arch.sharedBytesMax)
    return op.emitOpError("has no code on CUDA here: ")
           << columns << " columns need " << shared << " bytes of shared memory, a block has "
           << request.arch.sharedBytesMax;
  SourceWriter writer;
  auto constants = writer.scope("struct Sampling");
  writer.line("static constexpr int kVocabulary = " + Twine(columns) +
              ", kTiles = " + Twine(llm::cols(op.getBest().getType()) / 2) + ", kThreads = " + Twine(threads) + ";");
  // A row's mass is below 2^63.
  writer.line("static constexpr int kMassBits = " + Twine(62 - llvm::Log2_64_Ceil(static_cast<uint64_t>(columns))) +
              ";");
  constants.end();
  writer.line(";");
  // Told that one is enough: else ptxas takes 40 registers for small blocks, and spills.
  KernelFrame frame(writer, request, threads, /*minBlocks=*/1);
  RegionPrinter region(writer, block, frame.arguments());
  FailureOr<std::string> count = frame.rowCount();
  if (failed(count))
    return failure();
  writer.line("extern __shared__ __align__(16) u8 shared[];");
  writer.line("const int row = static_cast<int>(blockIdx.x);");
  writer.line("if (row >= " + *count + ")");
  writer.line("  return;");
  auto rowOf = [&](const std::string &pointer, Type type) {
    return pointer + " + static_cast<i64>(row) * " + std::to_string(RegionPrinter::rowStride(type));
  };
  writer.origin(op);
  writer.line("const int token = sampleRow<Sampling>(shared, " +
              rowOf(region.pointer(op.getLogits()), op.getLogits().getType()) + ", " +
              rowOf(region.pointer(op.getBest()), op.getBest().getType()) + ", " + region.pointer(op.getBatch()) +
              ", row);");
  writer.line("if (threadIdx.x == 0)");
  writer.line("  *reinterpret_cast<float *>(" + rowOf(frame.results().front(), op.getType()) +
              ") = static_cast<float>(token);");
  KernelText text = frame.finish();
  text.sharedBytes = shared;
  text.grid[0] = GridDim::rows(*frame.rows(), 1);
  text.config = std::to_string(threads) + " threads a row";
  return text;
}

} // namespace llmc
