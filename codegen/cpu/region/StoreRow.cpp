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

namespace {
/// Pointers into a quantized row.
struct QuantizedRow {
  Value base;
  int64_t scales, biases; ///< byte offsets of the two tables
};

/// Quantizes a few groups of 32 columns together: their reductions share shuffles, their scales one division.
class GroupQuantizer {
public:
  /// `groups`: 2 or 4, as many as the level's registers hold. `zero`: which bias word (contract of !llm.qact).
  GroupQuantizer(KernelBuilder &k, int64_t groups, int64_t zero) : k_(k), groups_(groups), zero_(zero) {}

  /// `x`: two chunks for each of at most `groups` groups, the first of which is `first` (i64).
  void store(const QuantizedRow &to, Value first, llvm::ArrayRef<Value> x);

private:
  using Join = llvm::function_ref<Value(Value, Value)>;
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask) { return vector::ShuffleOp::create(k_.b(), a, b, mask); }
  Value fold(KernelBuilder::Values vectors, int64_t last, Join join);
  Value exchange(Value vector, int64_t distance, Join join);
  Value pick(Value vector, int64_t count, int64_t lane);
  Value biasWords(KernelBuilder::Values sums, Value scales, int64_t count);

  KernelBuilder &k_;
  int64_t groups_, zero_;
};
} // namespace

/// Lane i joined with lane i xor distance.
Value GroupQuantizer::exchange(Value vector, int64_t distance, Join join) {
  llvm::SmallVector<int64_t> mask;
  for (int64_t lane = 0; lane < kChunk; ++lane)
    mask.push_back(lane ^ distance);
  return join(vector, shuffle(vector, vector, mask));
}

/// One vector with 16 / groups lanes a group, lanes joined down to distance `last`: with last = 1 all of a group's lanes
/// hold its result; with last = 4 lane l holds the columns that are l mod 4.
Value GroupQuantizer::fold(KernelBuilder::Values vectors, int64_t last, Join join) {
  int64_t width = kChunk; // lanes of one group in one vector
  for (; vectors.size() > 1; width /= 2) {
    llvm::SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < 2 * kChunk; ++lane)
      (lane % width < width / 2 ? low : high).push_back(lane);
    KernelBuilder::Values next;
    for (size_t i = 0; i < vectors.size(); i += 2)
      next.push_back(join(shuffle(vectors[i], vectors[i + 1], low), shuffle(vectors[i], vectors[i + 1], high)));
    vectors = next;
  }
  Value result = vectors.front();
  for (int64_t distance = width / 2; distance >= last; distance /= 2)
    result = exchange(result, distance, join);
  return result;
}

/// Lane `lane` of each of the first `count` groups.
Value GroupQuantizer::pick(Value vector, int64_t count, int64_t lane) {
  llvm::SmallVector<int64_t> mask;
  for (int64_t group = 0; group < count; ++group)
    mask.push_back(group * (kChunk / groups_) + lane);
  return shuffle(vector, vector, mask);
}

/// The 32-bit words that cancel the weights' zero point: -zero * sum(q), or scale * sum(q) as f32 for zero = 0.
/// `sums`: one vector<16xi32> a group, lane l holding columns l mod 16.
Value GroupQuantizer::biasWords(KernelBuilder::Values sums, Value scales, int64_t count) {
  ImplicitLocOpBuilder &b = k_.b();
  auto add = [&](Value x, Value y) { return arith::AddIOp::create(b, x, y).getResult(); };
  auto times = [&](Value v, int64_t factor) {
    return arith::MulIOp::create(b, v, k_.constant(v.getType(), static_cast<double>(factor))).getResult();
  };
  if (zero_ == 8 && !k_.level().vnni) {
    // vpmaddubsw adds columns in pairs into 16-bit halves: each half cancels its own columns.
    Value pairs = times(exchange(fold(sums, 4, add), 1, add), -8);
    Value low = pick(pairs, count, 0), high = pick(pairs, count, 2);
    low = arith::AndIOp::create(b, low, k_.constant(low.getType(), 0xffff));
    return arith::OrIOp::create(b, low, arith::ShLIOp::create(b, high, k_.constant(high.getType(), 16)));
  }
  Value sum = pick(fold(sums, 1, add), count, 0);
  if (zero_ != 0)
    return times(sum, -zero_);
  return k_.mulF(scales, arith::SIToFPOp::create(b, k_.vec(count, k_.f32()), sum));
}

void GroupQuantizer::store(const QuantizedRow &to, Value first, llvm::ArrayRef<Value> x) {
  ImplicitLocOpBuilder &b = k_.b();
  const int64_t count = x.size() / 2;
  KernelBuilder::Values tops, sums;
  for (int64_t group = 0; group < groups_; ++group) {
    int64_t from = group < count ? 2 * group : 0; // lanes of absent groups repeat the first
    tops.push_back(k_.maxF(math::AbsFOp::create(b, x[from]), math::AbsFOp::create(b, x[from + 1])));
  }
  Value top = fold(tops, 1, [&](Value a, Value v) { return k_.maxF(a, v); });
  auto splat = [&](double value) { return k_.constant(top.getType(), value); };
  // Below this the reciprocal overflows; such a group is as good as zero.
  Value any = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, top, splat(1e-30));
  Value scales = pick(select(k_, any, k_.mulF(top, splat(1.0 / 127)), splat(0)), count, 0);
  Value inverse = select(k_, any, k_.divF(splat(127), top), splat(0));
  Value at = k_.mul(first, kQuantGroup), word = k_.mul(first, 4);
  for (int64_t group = 0; group < count; ++group) {
    Value factor = shuffle(inverse, inverse, llvm::SmallVector<int64_t>(kChunk, group * (kChunk / groups_)));
    Value q[2];
    for (int64_t i = 0; i < 2; ++i) {
      q[i] = roundToInt(k_, k_.mulF(x[2 * group + i], factor));
      k_.store(arith::TruncIOp::create(b, k_.vec(kChunk, k_.i8()), q[i]), to.base, at, (2 * group + i) * kChunk, 1);
    }
    sums.push_back(arith::AddIOp::create(b, q[0], q[1]));
  }
  sums.resize(groups_, sums.front());
  k_.store(scales, to.base, word, to.scales, 4);
  k_.store(biasWords(sums, scales, count), to.base, word, to.biases, 4);
}

void RegionEmitter::storeGroup(llm::QuantizeOp op, Value row, Value group, Value rowPointer) {
  auto type = cast<llm::QActType>(op.getResult().getType());
  const int64_t padded = rt::paddedK(type.getCols()), groups = padded / kQuantGroup, whole = type.getCols() / kQuantGroup;
  QuantizedRow to{rowPointer, padded, padded + 4 * groups};
  GroupQuantizer quantizer(k_, 2, type.getZero());
  Value column = k_.mul(group, kQuantGroup);
  quantizer.store(to, group, {chunk(op.getX(), row, column), chunk(op.getX(), row, k_.add(column, kChunk))});
  if (whole != groups)
    k_.ifThen(k_.equal(group, k_.c(whole - 1)), [&] { quantizer.store(to, k_.c(whole), {zeros(), zeros()}); });
}

void RegionEmitter::storeQuantized(llm::QuantizeOp op, Value row, Value rowPointer) {
  auto type = cast<llm::QActType>(op.getResult().getType());
  const int64_t columns = type.getCols(), padded = rt::paddedK(columns);
  const int64_t groups = padded / kQuantGroup, batch = k_.level().avx512 ? 4 : 2;
  const int64_t looped = columns / kQuantGroup / batch * batch;
  QuantizedRow to{rowPointer, padded, padded + 4 * groups};
  GroupQuantizer quantizer(k_, batch, type.getZero());
  prepareRow(op.getX(), row);
  auto chunkAt = [&](Value column, int64_t offset) { return chunk(op.getX(), row, k_.add(column, offset)); };
  if (looped > 0)
    k_.forEach(k_.c(0), k_.c(looped), batch, [&](Value first) {
      Values x;
      for (int64_t i = 0; i < 2 * batch; ++i)
        x.push_back(chunkAt(k_.mul(first, kQuantGroup), i * kChunk));
      quantizer.store(to, first, x);
    });
  for (int64_t first = looped; first < groups; first += batch) {
    Values x;
    for (int64_t group = first; group < std::min(first + batch, groups); ++group)
      for (int64_t column : {group * kQuantGroup, group * kQuantGroup + kChunk})
        x.push_back(column < columns ? keepFirst(k_, chunkAt(k_.c(column), 0), columns - column, zeros()) : zeros());
    quantizer.store(to, k_.c(first), x);
  }
}

} // namespace llmc
