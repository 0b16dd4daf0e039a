// Rules of llm.weight and llm.use.
#include "dialects/LLM/LLMTypes.h"

namespace llmc::llm {
using namespace mlir;

/// C5: the rotary table is f32 [R, dim].
static LogicalResult verifyGenerated(WeightOp op, RopeAttr rope) {
  WeightType type = op.weightType();
  if (type.getQuant().getKind() == QuantKind::F32 && type.isMatrix() && type.cols() == rope.getDim()) return success();
  return op.emitOpError("C5: expected a generated weight of type f32 with K = ") << rope.getDim() << ", found " << type;
}

LogicalResult WeightOp::verify() {
  auto sources = getSources().getAsRange<SourceAttr>();
  size_t count = getSources().size();
  if ((count == 0) == !getGenerated())
    return emitOpError("C1: expected exactly one of sources and generated, found ") << (count == 0 ? "none" : "both");
  if (getGenerated()) return verifyGenerated(*this, *getGenerated());
  int64_t sum = 0;
  for (SourceAttr source : sources) sum += source.getRows();
  if (sum != weightType().rows())
    return emitOpError("C2: expected sources of ") << weightType().rows() << " rows in all, found " << sum;
  if ((getArrange() == Arrange::None) != (count == 1))
    return emitOpError("C3: expected one source for none, several for concat and interleave16, found ")
           << count << " for " << stringifyArrange(getArrange());
  if (getArrange() != Arrange::Interleave16) return success();
  int64_t first = (*sources.begin()).getRows();
  for (SourceAttr source : sources)
    if (source.getRows() != first || first % 16 != 0)
      return emitOpError("C4: expected interleaved sources of equal rows, a multiple of 16, found ")
             << first << " and " << source.getRows();
  return success();
}

void UseOp::build(OpBuilder&, OperationState& state, WeightOp weight) {
  state.addAttribute(getWeightAttrName(state.name), FlatSymbolRefAttr::get(weight.getSymNameAttr()));
  state.addTypes(weight.weightType());
}

LogicalResult UseOp::verifySymbolUses(SymbolTableCollection& symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight) return emitOpError("C1: expected an llm.weight named '") << getWeight() << "', found none";
  if (weight.weightType() == getResult().getType()) return success();
  return emitOpError("C2: expected the type of '")
         << getWeight() << "', " << weight.weightType() << ", found " << getResult().getType();
}

}  // namespace llmc::llm
