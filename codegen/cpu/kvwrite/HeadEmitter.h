// Evaluates one attention head of a row at a time, in registers: per-head norm and rope need nothing outside the head.
#pragma once

#include "codegen/cpu/RegionEmitter.h"
#include "codegen/cpu/region/Rope.h"

namespace llmc {

/// Heads of `headDim` columns (a multiple of 16) of values made by slices, per-head norms and ropes.
class HeadEmitter {
public:
  HeadEmitter(KernelBuilder &k, RegionEmitter &region, int64_t headDim) : k_(k), region_(region), headDim_(headDim) {}

  /// headDim / 16 vectors of 16 x f32: columns [head * headDim, (head + 1) * headDim) of `row`. Prepares what it needs.
  KernelBuilder::Values head(mlir::Value value, mlir::Value row, mlir::Value head);

private:
  KernelBuilder::Values normalized(llm::RMSNormOp op, mlir::Value row, mlir::Value head);
  KernelBuilder::Values rotated(llm::RopeOp op, mlir::Value row, mlir::Value head);

  KernelBuilder &k_;
  RegionEmitter &region_;
  int64_t headDim_;
};

} // namespace llmc
