// Rows rounded to 8-bit floats (e4m3) with one scale a row: what a device's products would see, for measuring.
#include "codegen/cpu/RegionEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "dialects/LLM/LLMTypes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc {

/// The nearest e4m3 of 16 magnitudes below 2^9, ties to even, at most 448; as f32.
static Value nearestE4M3(KernelBuilder &k, Value magnitude) {
  ImplicitLocOpBuilder &b = k.b();
  Type type = magnitude.getType();
  auto number = [&](double value) { return k.constant(type, value); };
  // Below 2^-6 the steps are those of a float at 2^14.
  Value small = k.subF(k.addF(magnitude, number(0x1p14)), number(0x1p14));
  Value bits = k.bitcast(magnitude, k.vec(kChunk, k.i32()));
  auto mask = [&](int64_t value) { return k.constant(bits.getType(), static_cast<double>(value)); };
  Value odd = arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, mask(20)), mask(1));
  Value sum = arith::AddIOp::create(b, bits, arith::AddIOp::create(b, odd, mask(0x7ffff)));
  Value kept = arith::ShLIOp::create(b, arith::ShRUIOp::create(b, sum, mask(20)), mask(20));
  Value large = k.minF(k.bitcast(kept, type), number(448));
  Value isSmall = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, magnitude, number(0x1p-6));
  return select(k, isSmall, small, large);
}

void RegionEmitter::prepare(llm::RoundRowsOp op, Value row) {
  const int64_t columns = llm::cols(op.getX().getType()), whole = columns / kChunk * kChunk;
  auto larger = [&](Value top, Value x) { return k_.maxF(math::AbsFOp::create(k_.b(), x), top); };
  Value top = zeros();
  if (whole > 0)
    top = k_.forLoop(k_.c(0), k_.c(whole), kChunk, {top}, [&](Value column, ValueRange carried) {
      return Values{larger(carried[0], chunk(op.getX(), row, column))};
    })[0];
  if (whole < columns)
    top = larger(top, keepFirst(k_, chunk(op.getX(), row, k_.c(whole)), columns - whole, zeros()));
  Value largest = k_.splat(k_.reduceMax(top), kChunk);
  auto number = [&](double value) { return k_.constant(largest.getType(), value); };
  // Below this the reciprocal overflows; such a row is as good as zero.
  Value any = arith::CmpFOp::create(k_.b(), arith::CmpFPredicate::OGT, largest, number(1e-30));
  Value inverse = select(k_, any, k_.divF(number(448), largest), zeros());
  prepared_[op.getResult()] = {inverse, k_.divF(largest, number(448))};
}

Value RegionEmitter::chunk(llm::RoundRowsOp op, Value row, Value column) {
  llvm::SmallVector<Value> state = prepared_.lookup(op.getResult());
  if (state.empty())
    return fail(op, "its row was not prepared");
  Value x = chunk(op.getX(), row, column);
  Value code = nearestE4M3(k_, math::AbsFOp::create(k_.b(), k_.mulF(x, state[0])));
  return math::CopySignOp::create(k_.b(), k_.mulF(code, state[1]), x);
}

} // namespace llmc
