// Float arithmetic of KernelBuilder: vectors, reductions, conversions and exp.
#include "codegen/cpu/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace llmc {

/// `type` with its element replaced.
static Type withElement(Type type, Type element) {
  if (auto vector = dyn_cast<VectorType>(type))
    return VectorType::get(vector.getShape(), element);
  return element;
}

Value KernelBuilder::addF(Value a, Value v) { return arith::AddFOp::create(b_, a, v); }
Value KernelBuilder::subF(Value a, Value v) { return arith::SubFOp::create(b_, a, v); }
Value KernelBuilder::mulF(Value a, Value v) { return arith::MulFOp::create(b_, a, v); }
Value KernelBuilder::divF(Value a, Value v) { return arith::DivFOp::create(b_, a, v); }
// a > v ? a : v is exactly vmaxps: one instruction, and a NaN in `v` stays. (llvm.maxnum costs a compare and a blend
// more.)
Value KernelBuilder::maxF(Value a, Value v) {
  return arith::SelectOp::create(b_, arith::CmpFOp::create(b_, arith::CmpFPredicate::OGT, a, v), a, v);
}
Value KernelBuilder::minF(Value a, Value v) {
  return arith::SelectOp::create(b_, arith::CmpFOp::create(b_, arith::CmpFPredicate::OLT, a, v), a, v);
}
Value KernelBuilder::fma(Value a, Value v, Value acc) { return math::FmaOp::create(b_, a, v, acc); }

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(b_, vec(lanes, scalar.getType()), scalar);
}

/// Pairwise halves: a fixed order at every level, and no serial chain.
static Value reduceHalves(ImplicitLocOpBuilder &b, Value vector, llvm::function_ref<Value(Value, Value)> join) {
  for (int64_t lanes = cast<VectorType>(vector.getType()).getNumElements(); lanes > 1; lanes /= 2) {
    const auto low = llvm::to_vector(llvm::seq<int64_t>(0, lanes / 2));
    const auto high = llvm::to_vector(llvm::seq<int64_t>(lanes / 2, lanes));
    Value a = vector::ShuffleOp::create(b, vector, vector, low);
    Value v = vector::ShuffleOp::create(b, vector, vector, high);
    vector = join(a, v);
  }
  return vector::ExtractOp::create(b, vector, llvm::ArrayRef<int64_t>{0});
}

Value KernelBuilder::reduceAdd(Value vector) {
  return reduceHalves(b_, vector, [&](Value a, Value v) { return addF(a, v); });
}

Value KernelBuilder::reduceMax(Value vector) {
  return reduceHalves(b_, vector, [&](Value a, Value v) { return maxF(a, v); });
}

Value KernelBuilder::extF(Value v) { return arith::ExtFOp::create(b_, withElement(v.getType(), f32()), v); }
Value KernelBuilder::truncF16(Value v) { return arith::TruncFOp::create(b_, withElement(v.getType(), f16()), v); }

Value KernelBuilder::bitcast(Value v, Type to) {
  if (isa<VectorType>(v.getType()) && isa<VectorType>(to))
    return vector::BitCastOp::create(b_, to, v);
  return LLVM::BitcastOp::create(b_, to, v);
}

Value KernelBuilder::intrinsic(llvm::StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b_, result, b_.getStringAttr(name), operands).getResult(0);
}

Value KernelBuilder::exp(Value x) {
  Type type = x.getType();
  auto k = [&](double value) { return constant(type, value); };
  // x = n ln 2 + r, |r| <= ln 2 / 2 (Cody and Waite split of ln 2), exp(x) = 2^n exp(r).
  // vscalefps makes 2^n of any n, denormal results too: what is below -104 becomes 0 by itself.
  const bool scales = level_.avx512 && type == vec(16, f32());
  // The order of the operands keeps a NaN.
  Value clamped = minF(k(scales ? 88.8 : 88.7), maxF(k(scales ? -104.5 : -87.3), x));
  Value n = math::RoundEvenOp::create(b_, mulF(clamped, k(1.4426950408889634)));
  Value r = fma(n, k(-0.693359375), clamped);
  r = fma(n, k(2.12194440e-4), r);
  // Coefficients interpolate (exp(r) - 1 - r) / r^2 at the Chebyshev nodes of that interval: relative error 1e-8, where
  // the Taylor polynomial of the same degree has 1e-7.
  Value p = k(1.3926213466e-3);
  for (double coefficient : {8.3632029716e-3, 4.1666554438e-2, 1.6666576846e-1, 0.5, 1.0, 1.0})
    p = fma(p, r, k(coefficient));
  if (scales) // all lanes, rounded as MXCSR says
    return intrinsic("llvm.x86.avx512.mask.scalef.ps.512", type,
                     {p, n, k(0.0), constant(b_.getI16Type(), -1), constant(i32(), 4)});
  Type ints = withElement(type, i32());
  Value bits = arith::FPToSIOp::create(b_, ints, n);
  bits = arith::AddIOp::create(b_, bits, constant(ints, 127));
  bits = arith::ShLIOp::create(b_, bits, constant(ints, 23));
  Value scaled = mulF(p, arith::BitcastOp::create(b_, type, bits));
  Value tiny = arith::CmpFOp::create(b_, arith::CmpFPredicate::OLT, x, k(-87.3));
  return arith::SelectOp::create(b_, tiny, k(0.0), scaled);
}

} // namespace llmc
