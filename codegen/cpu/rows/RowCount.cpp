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
  for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
    llm::Dim found = llm::rowsDim(type);
    if (i > 0 && found != rows)
      return function.emitError("results of one kernel must have the same rows, found ")
             << llm::toString(rows) << " and " << llm::toString(found);
    rows = found;
  }
  if (rows.isFixed())
    return k.c(rows.value);
  Value batch = batchPointer(function.getBody().front(), words);
  if (!batch)
    return function.emitError("a kernel with ") << llm::toString(rows) << " rows needs a !llm.batch argument";
  return k.batchInt(batch, rows.isS() ? offsetof(rt::Batch, rows) : offsetof(rt::Batch, tokens));
}

} // namespace llmc
