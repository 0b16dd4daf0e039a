// Masks, strided gathers and permutations of 16-lane vectors.
#include "codegen/cpu/region/Lanes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

Value select(KernelBuilder &k, Value condition, Value a, Value b) {
  return arith::SelectOp::create(k.b(), condition, a, b);
}

Value keepFirst(KernelBuilder &k, Value vector, int64_t count, Value fill) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  if (count >= lanes)
    return vector;
  llvm::SmallVector<bool> keep;
  for (int64_t i = 0; i < lanes; ++i)
    keep.push_back(i < count);
  auto mask = DenseElementsAttr::get(k.vec(lanes, k.b().getI1Type()), llvm::ArrayRef<bool>(keep));
  return select(k, arith::ConstantOp::create(k.b(), mask), vector, fill);
}

Value gatherStrided(KernelBuilder &k, Type element, int64_t count, Value base, int64_t strideBytes) {
  KernelBuilder::Values lanes;
  unsigned align = element.getIntOrFloatBitWidth() / 8;
  for (int64_t i = 0; i < count; ++i)
    lanes.push_back(k.load(element, base, Value(), i * strideBytes, align));
  return vector::FromElementsOp::create(k.b(), k.vec(count, element), lanes);
}

Value permute(KernelBuilder &k, llvm::ArrayRef<Value> sources, llvm::ArrayRef<int64_t> index) {
  const int64_t lanes = index.size();
  llvm::SmallVector<int64_t> used; // sources that are read, in order of first use
  for (int64_t i : index)
    if (i >= 0 && !llvm::is_contained(used, i / kChunk))
      used.push_back(i / kChunk);
  if (used.empty())
    return sources.front();
  Value result = sources[used.front()];
  bool identity = true;
  llvm::SmallVector<int64_t> mask(lanes);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    bool own = index[lane] >= 0 && index[lane] / kChunk == used.front();
    mask[lane] = own ? index[lane] % kChunk : lane;
    identity &= mask[lane] == lane;
  }
  if (!identity)
    result = vector::ShuffleOp::create(k.b(), result, result, mask);
  for (int64_t source : llvm::ArrayRef<int64_t>(used).drop_front()) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      bool own = index[lane] >= 0 && index[lane] / kChunk == source;
      mask[lane] = own ? kChunk + index[lane] % kChunk : lane;
    }
    result = vector::ShuffleOp::create(k.b(), result, sources[source], mask);
  }
  return result;
}

Value extBF16(KernelBuilder &k, Value bits) {
  int64_t lanes = cast<VectorType>(bits.getType()).getNumElements();
  Value wide = arith::ExtUIOp::create(k.b(), k.vec(lanes, k.i32()), bits);
  Value high = arith::ShLIOp::create(k.b(), wide, k.constant(wide.getType(), 16));
  return k.bitcast(high, k.vec(lanes, k.f32()));
}

Value truncBF16(KernelBuilder &k, Value v) {
  int64_t lanes = cast<VectorType>(v.getType()).getNumElements();
  Value bits = k.bitcast(v, k.vec(lanes, k.i32()));
  Value sixteen = k.constant(bits.getType(), 16);
  Value odd = arith::AndIOp::create(k.b(), arith::ShRUIOp::create(k.b(), bits, sixteen), k.constant(bits.getType(), 1));
  Value half = arith::AddIOp::create(k.b(), odd, k.constant(bits.getType(), 0x7fff));
  Value rounded = arith::AddIOp::create(k.b(), bits, half);
  return arith::TruncIOp::create(k.b(), k.vec(lanes, k.b().getI16Type()),
                                 arith::ShRUIOp::create(k.b(), rounded, sixteen));
}

Value roundToInt(KernelBuilder &k, Value v) {
  int64_t lanes = cast<VectorType>(v.getType()).getNumElements();
  return k.intrinsic("llvm.lrint", k.vec(lanes, k.i32()), v);
}

Value frameBytes(KernelBuilder &k, int64_t bytes) {
  OpBuilder::InsertionGuard guard(k.b());
  auto function = k.b().getInsertionBlock()->getParentOp()->getParentOfType<func::FuncOp>();
  if (!function)
    function = cast<func::FuncOp>(k.b().getInsertionBlock()->getParentOp());
  k.b().setInsertionPointToStart(&function.getBody().front());
  return LLVM::AllocaOp::create(k.b(), k.ptr(), k.i8(), k.c(bytes), 64);
}

} // namespace llmc
