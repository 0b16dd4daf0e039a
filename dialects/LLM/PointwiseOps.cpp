// Builders and rules of glu, softcap and cast.
#include "dialects/LLM/Verify.h"

namespace llmc::llm {
using namespace mlir;

void GluOp::build(OpBuilder& b, OperationState& state, Value gate, Value up, ActFn act) {
  build(b, state, gate.getType(), gate, up, act, int64_t{0});
}

void GluOp::build(OpBuilder& b, OperationState& state, Value gateup, ActFn act) {
  build(b, state, withCols(gateup.getType(), cols(gateup.getType()) / 2), gateup, Value(), act, int64_t{16});
}

LogicalResult GluOp::verify() {
  Type gate = getGate().getType();
  bool pair = getUp() && getUp().getType() == gate && getInterleave() == 0;
  if (!pair && (getUp() || getInterleave() != 16))
    return emitOpError(
               "C1: expected gate and up of one type with interleave = 0, or one operand with interleave = 16, found ")
           << (getUp() ? 2 : 1) << " operands and interleave = " << getInterleave();
  if (!pair && cols(gate) % 32 != 0)
    return emitOpError("C2: expected columns that are a multiple of 32, found ") << cols(gate);
  return expectShape(*this, "C3", getType(), rowsDim(gate), pair ? cols(gate) : cols(gate) / 2);
}

LogicalResult SoftcapOp::verify() {
  if (getCap() > 0) return success();
  return emitOpError("C2: expected cap > 0, found ") << getCap();
}

LogicalResult CastOp::verify() {
  if (dimsOf(getX().getType()) == dimsOf(getType())) return success();
  return emitOpError("C1: expected the dimensions ") << dimsOf(getX().getType()) << ", found " << dimsOf(getType());
}

}  // namespace llmc::llm
