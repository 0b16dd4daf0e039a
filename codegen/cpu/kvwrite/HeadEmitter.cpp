// Per-head norm and rope in registers; everything else comes from the region emitter's chunks.
#include "codegen/cpu/kvwrite/HeadEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc {

KernelBuilder::Values HeadEmitter::head(Value value, Value row, Value head) {
  if (auto op = value.getDefiningOp<llm::RopeOp>(); op && op.getTable() && op.getHeadDim() == headDim_)
    return rotated(op, row, head);
  if (auto op = value.getDefiningOp<llm::RMSNormOp>(); op && op.getSegment() == headDim_)
    return normalized(op, row, head);
  region_.prepareRow(value, row);
  KernelBuilder::Values chunks;
  for (int64_t i = 0; i < headDim_; i += kChunk)
    chunks.push_back(region_.chunk(value, row, k_.add(k_.mul(head, headDim_), i)));
  return chunks;
}

KernelBuilder::Values HeadEmitter::normalized(llm::RMSNormOp op, Value row, Value headIndex) {
  KernelBuilder::Values x = head(op.getX(), row, headIndex);
  Type type = x.front().getType();
  Value squares = k_.constant(type, 0.0);
  for (Value v : x)
    squares = k_.fma(v, v, squares);
  Value mean = k_.fma(k_.reduceAdd(squares), k_.constant(k_.f32(), 1.0 / headDim_), k_.constant(k_.f32(), op.getEps()));
  Value inverse = k_.splat(k_.divF(k_.constant(k_.f32(), 1.0), math::SqrtOp::create(k_.b(), mean)), kChunk);
  for (auto [i, v] : llvm::enumerate(x)) {
    Value weight = k_.load(type, region_.pointer(op.getW()), Value(), i * kChunk * 4, 4);
    if (op.getUnitOffset())
      weight = k_.addF(weight, k_.constant(type, 1.0));
    v = k_.mulF(k_.mulF(v, inverse), weight);
  }
  return x;
}

KernelBuilder::Values HeadEmitter::rotated(llm::RopeOp op, Value row, Value headIndex) {
  KernelBuilder::Values x = head(op.getX(), row, headIndex);
  RopeRotator rotator(k_, op, region_.pointer(op.getTable()), region_.pointer(op.getBatch()));
  rotator.setRow(row);
  return rotator.rotate(x);
}

} // namespace llmc
