// Kernels whose hero is llm.linear: what the emitter and the planner must know about one.
#pragma once

#include "codegen/cpu/KernelEmitter.h"
#include "codegen/registry/MatmulConfig.h"
#include "dialects/LLM/LLMDialect.h"

namespace llmc {

/// Rows that a prologue makes at a time.
inline constexpr int64_t kPrologueRows = 16;

/// The linear of a kernel and its shape.
struct MatmulPlan {
  llm::LinearOp linear;
  llm::KvWriteOp kvWrite; ///< set when the linear makes q, k and v: an epilogue call has one head
  mlir::Value result;     ///< what the epilogue makes of the linear: the kernel's result, or logits
  llm::ArgmaxOp argmax;   ///< set when result is logits: the tiles of its rows; an epilogue call has one tile
  llm::KeepRowsOp keep;   ///< set with argmax: the rows of logits that are stored
  MatmulShape shape;
  bool prologue = false;    ///< x is computed in the region: every worker makes its rows in its scratch, 16 at a time
  bool quantizes = false;   ///< the result is int8: an epilogue call has 32 columns
  bool interleaved = false; ///< a glu halves the columns of the linear
};

/// Failure: a diagnostic that says which op or type has no kernel.
mlir::FailureOr<MatmulPlan> planMatmul(kern::FuncOp function, int64_t mMax);

/// scratchBytes() of a product: sums and unpacked weights, then the prologue's 16 rows; the same for every variant and
/// tMax; 0 when planMatmul() refuses the function.
int64_t matmulScratchBytes(kern::FuncOp function, int64_t tMax);
/// emitKernel() of a product.
mlir::LogicalResult emitMatmulKernel(mlir::ModuleOp module, const EmitRequest &request);

} // namespace llmc
