// Builders and rules of linear, quantize and round_rows.
#include "dialects/LLM/Verify.h"

namespace llmc::llm {
using namespace mlir;

void LinearOp::build(OpBuilder& b, OperationState& state, Value x, Value w, Value bias) {
  build(b, state, activationType(b.getContext(), rowsDim(x.getType()), ::llvm::cast<WeightType>(w.getType()).rows()), x,
        w, bias);
}

/// C4: integer products need scales of groups that fit on both sides and the bias word of this weight's zero point.
static LogicalResult verifyQuantized(LinearOp op, QActType x, QuantAttr quant) {
  if (x.isE4M3() && quant.getKind() != QuantKind::E4M3)
    return op.emitOpError("C4: expected an e4m3 weight for x of e4m3, found ") << Attribute(quant);
  if (x.isE4M3()) return success();
  if (!quant.isInteger() || (quant.getGroup() > 32 && !quant.hasWideGroups()))
    return op.emitOpError("C4: expected an integer weight of group 32, or of 16, for a quantized x, found ")
           << Attribute(quant);
  if (x.getZero() == quant.activationZero()) return success();
  return op.emitOpError("C4: expected x quantized with zero = ") << quant.activationZero() << ", found " << x.getZero();
}

LogicalResult LinearOp::verify() {
  WeightType w = getW().getType();
  if (!w.isMatrix()) return emitOpError("C1: expected a weight [N, K], found ") << w;
  Type x = getX().getType();
  if (failed(expectEqual(*this, "C2", "columns of x", w.cols(), cols(x)))) return failure();
  if (failed(expectShape(*this, "C3", getType(), rowsDim(x), w.rows()))) return failure();
  if (auto qact = ::llvm::dyn_cast<QActType>(x))
    if (failed(verifyQuantized(*this, qact, w.getQuant()))) return failure();
  return getBias() ? expectVector(*this, "C5", "bias", getBias(), w.rows()) : success();
}

void QuantizeOp::build(OpBuilder& b, OperationState& state, Value x, int64_t zero) {
  build(b, state, QActType::get(b.getContext(), rowsDim(x.getType()), cols(x.getType()), zero), x);
}

void RoundRowsOp::build(OpBuilder& b, OperationState& state, Value x) { build(b, state, x.getType(), x); }

LogicalResult RoundRowsOp::verify() {
  if (getType() == getX().getType()) return success();
  return emitOpError("C1: expected a result of ") << getX().getType() << ", found " << getType();
}

LogicalResult QuantizeOp::verify() {
  return expectShape(*this, "C1", getType(), rowsDim(getX().getType()), cols(getX().getType()));
}

}  // namespace llmc::llm
