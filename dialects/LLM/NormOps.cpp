// Rules of rmsnorm and layernorm.
#include "dialects/LLM/Verify.h"

namespace llmc::llm {
using namespace mlir;

LogicalResult RMSNormOp::verify() {
  int64_t width = cols(getX().getType()), segment = getSegment();
  if (segment < 0 || (segment > 0 && width % segment != 0))
    return emitOpError("C3: expected columns that are a multiple of segment, found ") << width << " and " << segment;
  if (failed(expectVector(*this, "C2", "w", getW(), segment > 0 ? segment : width))) return failure();
  if (!(getEps() >= 0)) return emitOpError("C4: expected eps >= 0, found ") << getEps();
  return success();
}

LogicalResult LayerNormOp::verify() {
  int64_t width = cols(getX().getType());
  if (failed(expectVector(*this, "C2", "w", getW(), width))) return failure();
  if (getB() && failed(expectVector(*this, "C2", "b", getB(), width))) return failure();
  if (!(getEps() >= 0)) return emitOpError("C3: expected eps >= 0, found ") << getEps();
  return success();
}

}  // namespace llmc::llm
