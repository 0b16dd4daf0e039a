// Writes rows in the ABI's layouts: floats, and int8 with a scale and a bias word for each group of 32.
#include "codegen/cpu/RegionEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "codegen/registry/PackedLayout.h"
#include "dialects/LLM/LLMTypes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

void RegionEmitter::storeRow(Value value, Value row, Value rowPointer) {
  if (isa<llm::QActType>(value.getType())) {
    auto op = value.getDefiningOp<llm::QuantizeOp>();
    if (!op) {
      failed_ = true;
      emitError(value.getLoc(), "a quantized row can only come from llm.quantize");
      return;
    }
    storeQuantized(op, row, rowPointer);
  } else {
    storePlain(value, row, rowPointer);
  }
}

void RegionEmitter::storePlain(Value value, Value row, Value rowPointer) {
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  prepareRow(value, row);
  forChunks(llm::cols(value.getType()), [&](Value column) {
    Value x = chunk(value, row, column);
    if (element.isF16())
      x = k_.truncF16(x);
    else if (element.isBF16())
      x = truncBF16(k_, x);
    k_.store(x, rowPointer, k_.mul(column, element.getIntOrFloatBitWidth() / 8), 0, 1);
  });
}

/// Sum over lanes by position mod `keep` (a power of two): vector<keep x i32>.
static Value foldLanes(KernelBuilder &k, Value vector, int64_t keep) {
  for (int64_t lanes = cast<VectorType>(vector.getType()).getNumElements(); lanes > keep; lanes /= 2) {
    llvm::SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < lanes / 2; ++i) {
      low.push_back(i);
      high.push_back(i + lanes / 2);
    }
    vector = arith::AddIOp::create(k.b(), vector::ShuffleOp::create(k.b(), vector, vector, low),
                                   vector::ShuffleOp::create(k.b(), vector, vector, high));
  }
  return vector;
}

static Value element(KernelBuilder &k, Value vector, int64_t lane) {
  return vector::ExtractOp::create(k.b(), vector, llvm::ArrayRef<int64_t>{lane});
}

/// The 32-bit word that cancels the weights' zero point: -zero * sum(q), or scale * sum(q) as f32 for zero = 0.
/// `sums`: vector<16xi32> of the group's q, lane l holding columns l mod 16.
static Value biasWord(KernelBuilder &k, Value sums, Value scale, int64_t zero) {
  ImplicitLocOpBuilder &b = k.b();
  auto times = [&](Value v, int64_t factor) {
    return arith::MulIOp::create(b, v, k.constant(v.getType(), static_cast<double>(factor))).getResult();
  };
  if (zero == 8 && !k.level().vnni) {
    // vpmaddubsw adds columns in pairs into 16-bit halves: each half cancels its own columns.
    Value four = foldLanes(k, sums, 4);
    Value low = times(arith::AddIOp::create(b, element(k, four, 0), element(k, four, 1)), -8);
    Value high = times(arith::AddIOp::create(b, element(k, four, 2), element(k, four, 3)), -8);
    low = arith::AndIOp::create(b, low, k.constant(k.i32(), 0xffff));
    high = arith::ShLIOp::create(b, high, k.constant(k.i32(), 16));
    return arith::OrIOp::create(b, low, high);
  }
  Value sum = element(k, foldLanes(k, sums, 1), 0);
  if (zero == 0)
    return k.mulF(scale, arith::SIToFPOp::create(b, k.f32(), sum));
  return times(sum, -zero);
}

namespace {
/// Pointers into a quantized row.
struct QuantizedRow {
  Value base;
  int64_t scales, biases; ///< byte offsets of the two tables
};
} // namespace

/// Quantizes the 32 columns of `x` (two chunks) into group `group` (i64) of a row.
static void storeGroup(KernelBuilder &k, const QuantizedRow &to, Value group, Value x0, Value x1, int64_t zero) {
  ImplicitLocOpBuilder &b = k.b();
  Type f32 = k.f32();
  Value top = k.reduceMax(k.maxF(math::AbsFOp::create(b, x0), math::AbsFOp::create(b, x1)));
  // Below this the reciprocal overflows; such a group is as good as zero.
  Value any = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, top, k.constant(f32, 1e-30));
  Value scale = select(k, any, k.mulF(top, k.constant(f32, 1.0 / 127)), k.constant(f32, 0.0));
  Value inverse = select(k, any, k.divF(k.constant(f32, 127.0), top), k.constant(f32, 0.0));
  Value factor = k.splat(inverse, kChunk);
  VectorType ints = k.vec(kChunk, k.i32()), bytes = k.vec(kChunk, k.i8());
  Value q0 = roundToInt(k, k.mulF(x0, factor)), q1 = roundToInt(k, k.mulF(x1, factor));
  Value at = k.mul(group, kQuantGroup), word = k.mul(group, 4);
  k.store(arith::TruncIOp::create(b, bytes, q0), to.base, at, 0, 1);
  k.store(arith::TruncIOp::create(b, bytes, q1), to.base, at, kChunk, 1);
  Value sums = arith::AddIOp::create(b, ints, q0, q1);
  k.store(scale, to.base, word, to.scales, 4);
  k.store(biasWord(k, sums, scale, zero), to.base, word, to.biases, 4);
}

void RegionEmitter::storeQuantized(llm::QuantizeOp op, Value row, Value rowPointer) {
  auto type = cast<llm::QActType>(op.getResult().getType());
  const int64_t columns = type.getCols(), padded = rt::paddedK(columns);
  const int64_t groups = padded / kQuantGroup, whole = columns / kQuantGroup;
  QuantizedRow to{rowPointer, padded, padded + 4 * groups};
  prepareRow(op.getX(), row);
  k_.forEach(k_.c(0), k_.c(whole), 1, [&](Value group) {
    Value column = k_.mul(group, kQuantGroup);
    storeGroup(k_, to, group, chunk(op.getX(), row, column), chunk(op.getX(), row, k_.add(column, kChunk)),
               type.getZero());
  });
  for (int64_t group = whole; group < groups; ++group) {
    Value x[2] = {zeros(), zeros()};
    for (int64_t i = 0; i < 2; ++i)
      if (int64_t column = group * kQuantGroup + i * kChunk; column < columns)
        x[i] = keepFirst(k_, chunk(op.getX(), row, k_.c(column)), columns - column, zeros());
    storeGroup(k_, to, k_.c(group), x[0], x[1], type.getZero());
  }
}

} // namespace llmc
