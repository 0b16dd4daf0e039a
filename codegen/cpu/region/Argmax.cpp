// Rows of logits: which are stored, and the largest of each tile of columns with the first column that has it.
#include "codegen/cpu/RegionEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "dialects/LLM/LLMTypes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <limits>

using namespace mlir;

namespace llmc {

Value RegionEmitter::wantsRow(llm::KeepRowsOp op, Value row) {
  Value wanted = k_.batchPtr(pointer(op.getBatch()), offsetof(rt::Batch, logitsWanted));
  return k_.less(k_.c(0), k_.loadIndex(wanted, row));
}

/// Lane i: i.
static Value laneNumbers(KernelBuilder &k) {
  llvm::SmallVector<int32_t> lanes(kChunk);
  for (int64_t i = 0; i < kChunk; ++i)
    lanes[i] = static_cast<int32_t>(i);
  return arith::ConstantOp::create(k.b(), DenseIntElementsAttr::get(k.vec(kChunk, k.i32()), lanes));
}

/// `x` as the op counts it: what is not finite as +inf, lanes past the row's end as -inf.
static Value counted(KernelBuilder &k, Value x, Value indices, int64_t columns) {
  Type type = x.getType();
  Value most = k.constant(type, std::numeric_limits<double>::infinity());
  Value finite =
      arith::CmpFOp::create(k.b(), arith::CmpFPredicate::OLT, math::AbsFOp::create(k.b(), x).getResult(), most);
  x = select(k, finite, x, most);
  if (columns % kChunk == 0)
    return x;
  Value inside = arith::CmpIOp::create(k.b(), arith::CmpIPredicate::slt, indices,
                                       k.constant(indices.getType(), static_cast<double>(columns)));
  return select(k, inside, x, k.constant(type, -std::numeric_limits<double>::infinity()));
}

void RegionEmitter::storeTile(llm::ArgmaxOp op, Value row, Value tile, Value rowPointer, const ChunkUse &use) {
  if (op.getTile() % kChunk != 0) {
    fail(op, "tiles must be a multiple of 16 columns");
    return;
  }
  const int64_t columns = llm::cols(op.getLogits().getType());
  Value begin = k_.mul(tile, op.getTile());
  Value end = k_.minSI(k_.add(begin, op.getTile()), k_.c(columns)), lanes = laneNumbers(k_);
  Value least = k_.constant(k_.vec(kChunk, k_.f32()), -std::numeric_limits<double>::infinity());
  // Lane by lane, the first of the largest; then the first of the lanes that have the largest.
  Values best = k_.forLoop(begin, end, kChunk, {least, lanes}, [&](Value column, ValueRange carried) {
    Value x = chunk(op.getLogits(), row, column);
    if (use)
      use(column, x);
    Value at = k_.splat(arith::TruncIOp::create(k_.b(), k_.i32(), column), kChunk);
    Value indices = arith::AddIOp::create(k_.b(), at, lanes);
    x = counted(k_, x, indices, columns);
    Value larger = arith::CmpFOp::create(k_.b(), arith::CmpFPredicate::OGT, x, carried[0]);
    return Values{select(k_, larger, x, carried[0]), select(k_, larger, indices, carried[1])};
  });
  Value top = k_.reduceMax(best[0]);
  Value has = arith::CmpFOp::create(k_.b(), arith::CmpFPredicate::OEQ, best[0], k_.splat(top, kChunk));
  Value candidates = select(k_, has, best[1], k_.constant(lanes.getType(), std::numeric_limits<int32_t>::max()));
  Value first = vector::ReductionOp::create(k_.b(), vector::CombiningKind::MINSI, candidates);
  Value offset = k_.mul(tile, 4);
  k_.store(top, rowPointer, offset, 0, 4);
  k_.store(arith::SIToFPOp::create(k_.b(), k_.f32(), first), rowPointer, offset, op.tiles() * 4, 4);
}

void RegionEmitter::storeTiles(llm::ArgmaxOp op, Value row, Value rowPointer) {
  prepareRow(op.getLogits(), row);
  k_.forEach(k_.c(0), k_.c(op.tiles()), 1, [&](Value tile) { storeTile(op, row, tile, rowPointer, {}); });
}

} // namespace llmc
