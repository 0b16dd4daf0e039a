// What the emitter must know about a kern.func with one llm.linear: its shape, its operands, what its epilogue takes.
#pragma once

#include "codegen/cuda/matmul/ProductConfig.h"
#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"

namespace llmc {

struct ProductPlan {
  llm::LinearOp linear;
  ProductShape shape;
  int64_t columns = 0;      ///< of the results: N, or N / 2 of an interleaved glu
  bool interleaved = false; ///< a glu takes 32 columns of the linear for 16 of its own
};

/// Failure: a diagnostic that says which op or type has no kernel.
mlir::FailureOr<ProductPlan> planProduct(kern::FuncOp function, int64_t mMax);

} // namespace llmc
