// f16 numbers are widened; bytes are converted and multiplied with the f16 that 256 columns share (exact in f32).
#include "codegen/cpu/matmul/GroupScales.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc {

Value loadHalfs(KernelBuilder &k, Value at, int64_t disp, int64_t first, int64_t lanes) {
  return k.extF(k.load(k.vec(lanes, k.f16()), at, Value(), disp + first * 2, lanes * 2));
}

Value loadScales(KernelBuilder &k, Layout layout, const ScalePlace &place, int64_t first, int64_t lanes) {
  QuantFormat format = quantFormat(layout);
  if (!format.byteScales)
    return loadHalfs(k, place.at, place.disp, first, lanes);
  Value bytes = k.load(k.vec(lanes, k.i8()), place.at, Value(), place.disp + first, lanes);
  VectorType wide = k.vec(lanes, k.i32());
  // Scales of groups with mins are not negative; those of symmetric ones have a sign.
  Value numbers = format.asymmetric ? arith::ExtUIOp::create(k.b(), wide, bytes).getResult()
                                    : arith::ExtSIOp::create(k.b(), wide, bytes).getResult();
  Value factors = place.factors ? place.factors : loadHalfs(k, place.header, place.headerDisp, first, lanes);
  return k.mulF(arith::SIToFPOp::create(k.b(), k.vec(lanes, k.f32()), numbers), factors);
}

} // namespace llmc
