// Reads the number of rows from the batch.
#include "codegen/cpu/rows/RowCount.h"

#include "dialects/LLM/LLMTypes.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

Value batchPointer(Block &block, llvm::ArrayRef<Value> words) {
  for (auto [argument, word] : llvm::zip(block.getArguments(), words))
    if (isa<llm::BatchType>(argument.getType()))
      return word;
  return Value();
}

FailureOr<Value> rowCount(KernelBuilder &k, kern::FuncOp function, llvm::ArrayRef<Value> words) {
  llm::Dim rows = llm::Dim::T();
  if (!function.getResultTypes().empty()) {
    Type type = function.getResultTypes().front();
    rows = isa<llm::QActType>(type) ? cast<llm::QActType>(type).getRows() : llm::dimsOf(type).getDims().front();
  }
  if (rows.isFixed())
    return k.c(rows.value);
  Value batch = batchPointer(function.getBody().front(), words);
  if (!batch)
    return function.emitError("a kernel with ") << llm::toString(rows) << " rows needs a !llm.batch argument";
  return k.batchInt(batch, rows.isS() ? offsetof(rt::Batch, rows) : offsetof(rt::Batch, tokens));
}

} // namespace llmc
