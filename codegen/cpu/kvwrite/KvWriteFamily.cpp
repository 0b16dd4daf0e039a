// Kernels that end in kv_write: heads of queries, keys and values of all tokens are the work items of the workers.
#include "codegen/cpu/KernelFamilyList.h"

#include "codegen/cpu/kvwrite/HeadWriter.h"
#include "codegen/cpu/rows/RowCount.h"

using namespace mlir;

namespace llmc {

/// Items are numbered token-major; a worker's range [begin, end) may start and end within a token.
static void emitItems(KernelBuilder &k, HeadWriter &writer, Value rows) {
  const int64_t heads = writer.heads();
  auto [begin, end] = k.workerRange(k.mul(rows, heads));
  k.forEach(k.divUI(begin, heads), k.ceilDiv(end, heads), 1, [&, begin = begin, end = end](Value row) {
    Value from = k.sub(begin, k.mul(row, heads)), to = k.sub(end, k.mul(row, heads));
    for (const HeadPart &part : writer.parts()) {
      Value low = k.maxSI(k.add(from, -part.first), k.c(0)), high = k.minSI(k.add(to, -part.first), k.c(part.heads));
      k.forEach(low, high, 1, [&](Value head) { writer.emit(part, row, head); });
    }
  });
}

static LogicalResult emitKvWriteKernel(ModuleOp module, const EmitRequest &request) {
  kern::FuncOp function = request.function;
  Block &block = function.getBody().front();
  auto writes = block.getOps<llm::KvWriteOp>();
  if (!llvm::hasSingleElement(writes))
    return function.emitError("expected exactly one llm.kv_write in a kv_write kernel");
  const unsigned inputs = block.getNumArguments();
  KernelBuilder k(module, request.symbol, inputs + block.getTerminator()->getNumOperands(), request.level);
  llvm::SmallVector<Value> words;
  for (unsigned i = 0; i < inputs; ++i)
    words.push_back(k.arg(i));
  RegionEmitter region(k, block, words);
  HeadWriter writer(k, region, *writes.begin());
  FailureOr<Value> rows = rowCount(k, function, words);
  LogicalResult status = failed(rows) ? failure() : writer.collect(function);
  if (succeeded(status)) {
    emitItems(k, writer, *rows);
    status = region.status();
  }
  k.finish();
  return status;
}

const KernelFamily kKvWrite = {"kv_write", emitKvWriteKernel};

} // namespace llmc
