// Kernels without a matrix product, attention or cache write: workers split the rows and store each result's row.
#include "codegen/cpu/KernelEmitter.h"

#include "codegen/cpu/RegionEmitter.h"
#include "codegen/cpu/rows/RowCount.h"
#include "dialects/LLM/LLMTypes.h"

using namespace mlir;

namespace llmc {

/// Results of the kernel in the order of their ops, so that one that another needs is stored first.
static llvm::SmallVector<unsigned> storeOrder(OperandRange results) {
  auto order = llvm::to_vector(llvm::seq<unsigned>(0, results.size()));
  auto before = [&](unsigned a, unsigned b) {
    Operation *x = results[a].getDefiningOp(), *y = results[b].getDefiningOp();
    if (x == y)
      return a < b;
    return !x || (y && x->isBeforeInBlock(y));
  };
  llvm::sort(order, before);
  return order;
}

LogicalResult emitRowKernel(ModuleOp module, const EmitRequest &request) {
  kern::FuncOp function = request.function;
  Block &block = function.getBody().front();
  OperandRange results = block.getTerminator()->getOperands();
  const unsigned inputs = block.getNumArguments();
  KernelBuilder k(module, request.symbol, inputs + results.size(), request.level);
  llvm::SmallVector<Value> words;
  for (unsigned i = 0; i < inputs; ++i)
    words.push_back(k.arg(i));
  FailureOr<Value> rows = rowCount(k, function, words);
  if (failed(rows))
    return failure();
  auto [begin, end] = k.workerRange(*rows);
  LogicalResult status = success();
  k.forEach(begin, end, 1, [&](Value row) {
    RegionEmitter region(k, block, words);
    for (unsigned i : storeOrder(results)) {
      Value result = results[i];
      Value at = k.address(k.arg(inputs + i), k.mul(row, RegionEmitter::rowStride(result.getType())));
      region.storeRow(result, row, at);
      // A later result reads the stored row: cheaper, and right when this one was stored over its own input.
      if (llm::isActivation(result.getType()))
        region.bindRow(result, at);
    }
    status = region.status();
  });
  k.finish();
  return status;
}

} // namespace llmc
