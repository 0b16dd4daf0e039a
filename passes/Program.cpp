// Batch and return of a program, where they are.
#include "passes/Program.h"

#include "dialects/LLM/LLMDialect.h"

namespace llmc {

using namespace mlir;

llvm::SmallVector<func::FuncOp> definedFunctions(ModuleOp module) {
  return llvm::to_vector(
      llvm::make_filter_range(module.getOps<func::FuncOp>(), [](func::FuncOp each) { return !each.isDeclaration(); }));
}

Value batchOf(func::FuncOp function) {
  if (function.isDeclaration() || function.getNumArguments() == 0)
    return {};
  Value first = function.getArgument(0);
  return isa<llm::BatchType>(first.getType()) ? first : Value();
}

func::ReturnOp returnOf(func::FuncOp function) { return dyn_cast<func::ReturnOp>(function.front().back()); }

FailureOr<Value> batchForKernels(func::FuncOp function) {
  Value batch = batchOf(function);
  if (batch)
    return batch;
  for (Operation &op : function.front())
    if (isa<llm::LLMDialect>(op.getDialect()) && !isa<llm::UseOp>(op))
      return function.emitOpError("expected !llm.batch as its first argument, which kernels take, found ")
             << function.getFunctionType();
  return batch;
}

} // namespace llmc
