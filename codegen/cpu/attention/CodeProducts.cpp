// The two forms of integer dot products and how their factors are packed.
#include "codegen/cpu/attention/CodeProducts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

Value CodeProducts::pack(Value factors) {
  ImplicitLocOpBuilder &b = k_.b();
  VectorType halves = k_.vec(16, b.getI16Type()), bytes = k_.vec(32, k_.i8());
  Value packed = arith::TruncIOp::create(b, halves, factors);
  llvm::SmallVector<int64_t> order;
  if (!planes_) {
    for (int64_t four = 0; four < 16; four += 4)
      order.append({four, four + 2, four + 1, four + 3});
    return k_.bitcast(vector::ShuffleOp::create(b, packed, packed, order), bytes);
  }
  if (signs_ == SignedFactors) {
    // 256 * high + low with both in -128..127: 128 on top carries into the high byte what the low one's sign takes.
    packed = arith::AddIOp::create(b, packed, k_.constant(halves, 128));
    packed = arith::XOrIOp::create(b, packed, k_.constant(halves, 128));
  }
  packed = k_.bitcast(packed, bytes);
  for (int64_t four = 0; four < 32; four += 8)
    order.append({four + 1, four + 3, four + 5, four + 7, four, four + 2, four + 4, four + 6});
  return vector::ShuffleOp::create(b, packed, packed, order);
}

KernelBuilder::Values CodeProducts::load(Value base, Value offset, int64_t disp) {
  return {k_.loadSplat(k_.i32(), lanes_, base, offset, disp), k_.loadSplat(k_.i32(), lanes_, base, offset, disp + 4)};
}

KernelBuilder::Values CodeProducts::codes(Value base, Value offset, int64_t disp) {
  ImplicitLocOpBuilder &b = k_.b();
  Value words = k_.load(sumType(), base, offset, disp, 32);
  if (planes_)
    return {words};
  VectorType halves = k_.vec(lanes_ * 2, b.getI16Type());
  Value both = k_.bitcast(words, halves), eight = k_.constant(halves, 8);
  if (signs_ == SignedFactors)
    return {arith::AndIOp::create(b, both, k_.constant(halves, 255)), arith::ShRUIOp::create(b, both, eight)};
  return {arith::ShRSIOp::create(b, arith::ShLIOp::create(b, both, eight), eight),
          arith::ShRSIOp::create(b, both, eight)};
}

KernelBuilder::Values CodeProducts::begin(Value start) {
  if (planes_)
    return {k_.constant(sumType(), 0), start};
  return {start};
}

void CodeProducts::add(llvm::MutableArrayRef<Value> sum, llvm::ArrayRef<Value> codes, llvm::ArrayRef<Value> factors) {
  const bool wide = lanes_ == 16;
  if (planes_) {
    VectorType bytes = k_.vec(lanes_ * 4, k_.i8());
    for (int64_t plane = 0; plane < 2; ++plane) {
      // The instruction's first factor has no sign, the second has one.
      Value without = signs_ == SignedFactors ? codes[0] : factors[plane];
      Value with = signs_ == SignedFactors ? factors[plane] : codes[0];
      sum[plane] = k_.intrinsic(wide ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256", sumType(),
                                {sum[plane], k_.bitcast(without, bytes), k_.bitcast(with, bytes)});
    }
    return;
  }
  VectorType halves = k_.vec(lanes_ * 2, k_.b().getI16Type());
  for (int64_t half = 0; half < 2; ++half) {
    Value factor = k_.bitcast(factors[half], halves);
    sum[0] = k_.add(sum[0], k_.intrinsic(wide ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd", sumType(),
                                         {codes[half], factor}));
  }
  // Else LLVM adds products of two turns to each other first, and keeps some of the 12 sums on the stack.
  if (wide)
    sum[0] = k_.inOrder(sum[0]);
}

Value CodeProducts::total(llvm::ArrayRef<Value> sum) {
  if (!planes_)
    return sum[0];
  return k_.add(arith::ShLIOp::create(k_.b(), sum[0], k_.constant(sumType(), 8)), sum[1]);
}

} // namespace llmc
