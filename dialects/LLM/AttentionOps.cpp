// Builders and rules of rope, kv_write, attend, attend_partial and attend_merge.
#include "dialects/LLM/Verify.h"

namespace llmc::llm {
using namespace mlir;

LogicalResult RopeOp::verify() {
  int64_t width = cols(getX().getType()), dim = getRope().getDim();
  if (getHeadDim() <= 0 || width % getHeadDim() != 0)
    return emitOpError("C2: expected columns that are a multiple of head_dim, found ")
           << width << " and " << getHeadDim();
  if (dim > getHeadDim())
    return emitOpError("C3: expected a rope dim of at most ") << getHeadDim() << ", found " << dim;
  if (getTable()) {
    WeightType table = getTable().getType();
    if (!table.isMatrix() || table.cols() != dim)
      return emitOpError("C4: expected a table [R, ") << dim << "], found " << table;
  }
  return expectRows(*this, "C5", getX().getType(), Dim::T());
}

static LogicalResult verifyLayer(Operation* op, KvType kv, int64_t layer) {
  if (layer >= 0 && layer < kv.getLayers()) return success();
  return op->emitOpError("C1: expected a layer below ") << kv.getLayers() << ", found " << layer;
}

LogicalResult KvWriteOp::verify() {
  KvType kv = getKv().getType();
  if (failed(verifyLayer(*this, kv, getLayer()))) return failure();
  if (failed(expectEqual(*this, "C2", "columns of k", kv.getHeads() * kv.getDim(), cols(getK().getType()))))
    return failure();
  if (getK().getType() != getV().getType())
    return emitOpError("C3: expected v of type ") << getK().getType() << ", found " << getV().getType();
  return expectRows(*this, "C4", getK().getType(), Dim::T());
}

/// C1..C6 of both attention ops; they differ in the columns of a head in the result.
template <typename Op>
static LogicalResult verifyAttend(Op op, int64_t resultCols) {
  KvType kv = op.getKv().getType();
  Type q = op.getQ().getType();
  if (failed(verifyLayer(op, kv, op.getLayer()))) return failure();
  if (op.getHeads() <= 0 || op.getHeads() % kv.getHeads() != 0)
    return op.emitOpError("C2: expected heads that are a multiple of ") << kv.getHeads() << ", found " << op.getHeads();
  if (failed(expectEqual(op, "C3", "columns of q", op.getHeads() * kv.getDim(), cols(q)))) return failure();
  if (failed(expectShape(op, "C4", op.getType(), rowsDim(q), resultCols))) return failure();
  if (!(op.getScale() >= 0) || op.getWindow() < 0 || !(op.getSoftcap() >= 0))
    return op.emitOpError("C5: expected scale, window and softcap of at least 0, found ")
           << op.getScale() << ", " << op.getWindow() << ", " << op.getSoftcap();
  return expectRows(op, "C6", q, Dim::T());
}

void AttendOp::build(OpBuilder& b, OperationState& state, Value q, Value kv, Value batch, int64_t layer, int64_t heads,
                     double scale, int64_t window, double softcap, Value sinks) {
  build(b, state, q.getType(), q, kv, batch, sinks, layer, heads, scale, window, softcap);
}

/// A logit of f32 a head, where there are any.
static LogicalResult verifySinks(Operation* op, const char* constraint, Value sinks, int64_t heads) {
  if (!sinks) return success();
  auto type = ::llvm::cast<WeightType>(sinks.getType());
  if (!type.isMatrix() && type.rows() == heads && type.getQuant().getKind() == QuantKind::F32) return success();
  return op->emitOpError() << constraint << ": expected sinks [" << heads << "] of f32, found " << type;
}

LogicalResult AttendOp::verify() {
  if (failed(verifyAttend(*this, getHeads() * getKv().getType().getDim()))) return failure();
  return verifySinks(*this, "C7", getSinks(), getHeads());
}

void AttendPartialOp::build(OpBuilder& b, OperationState& state, Value q, Value kv, Value batch, int64_t layer,
                            int64_t heads, double scale, int64_t window, double softcap, int64_t splits) {
  int64_t width = heads * splits * (::llvm::cast<KvType>(kv.getType()).getDim() + 2);
  build(b, state, withCols(q.getType(), width), q, kv, batch, layer, heads, scale, window, softcap, splits);
}

LogicalResult AttendPartialOp::verify() {
  if (getSplits() <= 0) return emitOpError("C7: expected splits > 0, found ") << getSplits();
  return verifyAttend(*this, getHeads() * getSplits() * (getKv().getType().getDim() + 2));
}

void AttendMergeOp::build(OpBuilder& b, OperationState& state, Value p, int64_t heads, int64_t headDim, int64_t splits,
                          Value sinks) {
  build(b, state, withCols(p.getType(), heads * headDim), p, sinks, heads, headDim, splits);
}

LogicalResult AttendMergeOp::verify() {
  if (getHeads() <= 0 || getHeadDim() <= 0 || getSplits() <= 0)
    return emitOpError("C3: expected heads, head_dim and splits > 0, found ")
           << getHeads() << ", " << getHeadDim() << ", " << getSplits();
  int64_t width = getHeads() * getSplits() * (getHeadDim() + 2);
  if (failed(expectEqual(*this, "C1", "columns of p", width, cols(getP().getType())))) return failure();
  if (failed(expectShape(*this, "C2", getType(), rowsDim(getP().getType()), getHeads() * getHeadDim())))
    return failure();
  return verifySinks(*this, "C4", getSinks(), getHeads());
}

}  // namespace llmc::llm
