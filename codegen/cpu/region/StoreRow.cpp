// Writes rows in the ABI's layouts: floats, and int8 with a scale for each 16 values and a bias for each 32 or 16.
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
      emitError(value.getLoc(), "expected a quantized row to come from llm.quantize");
      return;
    }
    storeQuantized(op, row, rowPointer);
  } else if (auto argmax = value.getDefiningOp<llm::ArgmaxOp>()) {
    storeTiles(argmax, row, rowPointer);
  } else if (auto keep = value.getDefiningOp<llm::KeepRowsOp>()) {
    k_.ifThen(wantsRow(keep, row), [&] { storePlain(keep.getX(), row, rowPointer); });
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

QuantizedRow quantizedRow(Value base, int64_t columns) {
  return {base, static_cast<int64_t>(rt::quantizedScalesAt(columns)),
          static_cast<int64_t>(rt::quantizedBiasesAt(columns))};
}

/// Quantizes a few groups of 16 columns together: their reductions share shuffles, their scales one division.
class GroupQuantizer {
public:
  /// `groups`: 2, 4 or 8, as many as the level's registers hold. `zero`: which bias (contract of !llm.qact).
  GroupQuantizer(KernelBuilder &k, int64_t groups, int64_t zero) : k_(k), groups_(groups), zero_(zero) {}

  /// `x`: a chunk a group of each of the rows, an even number a row and at most `groups` in all; `first` (i64): the
  /// pair of groups they start with.
  void store(llvm::ArrayRef<QuantizedRow> rows, Value first, llvm::ArrayRef<Value> x);

private:
  using Join = llvm::function_ref<Value(Value, Value)>;
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask) {
    return vector::ShuffleOp::create(k_.b(), a, b, mask);
  }
  Value fold(KernelBuilder::Values vectors, int64_t last, Join join);
  Value exchange(Value vector, int64_t distance, Join join);
  Value pick(Value vector, int64_t count, int64_t lane);
  void storePart(Value vector, llvm::ArrayRef<QuantizedRow> rows, Value at, int64_t QuantizedRow::*table);
  Value biases(KernelBuilder::Values sums, Value scales, int64_t count);

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

/// One vector with 16 / groups lanes a group, lanes joined down to distance `last`: with last = 1 all of a group's
/// lanes hold its result; with last = 4 lane l holds the columns that are l mod 4.
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

/// For each pair of groups scale * sum(q) of both, times -zero when the weights have a zero point; zero = 32 (weights
/// with a scale for each 16 columns): for each group.
/// `sums`: one vector<16xi32> a group.
Value GroupQuantizer::biases(KernelBuilder::Values sums, Value scales, int64_t count) {
  ImplicitLocOpBuilder &b = k_.b();
  auto add = [&](Value x, Value y) { return arith::AddIOp::create(b, x, y).getResult(); };
  Value sum = pick(fold(sums, 1, add), count, 0);
  Value products = k_.mulF(scales, arith::SIToFPOp::create(b, k_.vec(count, k_.f32()), sum));
  if (zero_ == 32)
    return k_.mulF(products, k_.constant(products.getType(), -32.0));
  llvm::SmallVector<int64_t> even, odd;
  for (int64_t group = 0; group < count; group += 2) {
    even.push_back(group);
    odd.push_back(group + 1);
  }
  Value bias = k_.addF(shuffle(products, products, even), shuffle(products, products, odd));
  return zero_ == 0 ? bias : k_.mulF(bias, k_.constant(bias.getType(), static_cast<double>(-zero_)));
}

/// Stores each row's share of `vector` in one of its tables, `at` bytes from its start.
void GroupQuantizer::storePart(Value vector, llvm::ArrayRef<QuantizedRow> rows, Value at,
                               int64_t QuantizedRow::*table) {
  const int64_t share = cast<VectorType>(vector.getType()).getNumElements() / std::ssize(rows);
  for (auto [i, row] : llvm::enumerate(rows)) {
    llvm::SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < share; ++lane)
      mask.push_back(static_cast<int64_t>(i) * share + lane);
    k_.store(rows.size() == 1 ? vector : shuffle(vector, vector, mask), row.base, at, row.*table, 4);
  }
}

void GroupQuantizer::store(llvm::ArrayRef<QuantizedRow> rows, Value first, llvm::ArrayRef<Value> x) {
  ImplicitLocOpBuilder &b = k_.b();
  const int64_t count = x.size(), inRow = count / std::ssize(rows);
  KernelBuilder::Values tops, sums;
  for (int64_t group = 0; group < groups_; ++group) // lanes of absent groups repeat the first
    tops.push_back(math::AbsFOp::create(b, x[group < count ? group : 0]));
  Value top = fold(tops, 1, [&](Value a, Value v) { return k_.maxF(a, v); });
  auto splat = [&](double value) { return k_.constant(top.getType(), value); };
  // Below this the reciprocal overflows; such a group is as good as zero.
  Value any = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, top, splat(1e-30));
  Value scales = pick(select(k_, any, k_.mulF(top, splat(1.0 / 127)), splat(0)), count, 0);
  Value inverse = select(k_, any, k_.divF(splat(127), top), splat(0));
  Value at = k_.mul(first, 2 * kChunk);
  for (int64_t group = 0; group < count; ++group) {
    Value factor = shuffle(inverse, inverse, llvm::SmallVector<int64_t>(kChunk, group * (kChunk / groups_)));
    Value q = roundToInt(k_, k_.mulF(x[group], factor));
    k_.store(arith::TruncIOp::create(b, k_.vec(kChunk, k_.i8()), q), rows[group / inRow].base, at,
             group % inRow * kChunk, 1);
    sums.push_back(q);
  }
  sums.resize(groups_, sums.front());
  storePart(scales, rows, k_.mul(first, 8), &QuantizedRow::scales);
  storePart(biases(sums, scales, count), rows, k_.mul(first, zero_ == 32 ? 8 : 4), &QuantizedRow::biases);
}

/// Groups of 32 columns that a level's registers quantize together.
static int64_t groupsTogether(const KernelBuilder &k) { return k.level().avx512 ? 4 : 2; }

int64_t RegionEmitter::rowsTogether(const KernelBuilder &kernel) { return groupsTogether(kernel); }

void RegionEmitter::storeGroups(llm::QuantizeOp op, ValueRange rows, Value first, int64_t count, ValueRange pointers) {
  auto type = cast<llm::QActType>(op.getResult().getType());
  const int64_t groups = rt::paddedK(type.getCols()) / kQuantGroup, whole = type.getCols() / kQuantGroup;
  llvm::SmallVector<QuantizedRow> to;
  for (Value pointer : pointers)
    to.push_back(quantizedRow(pointer, type.getCols()));
  const int64_t most = std::max<int64_t>(1, groupsTogether(k_) / std::ssize(rows));
  const int64_t together = std::min<int64_t>(llvm::bit_ceil<uint64_t>(count), most);
  GroupQuantizer quantizer(k_, 2 * together * llvm::bit_ceil(rows.size()), type.getZero());
  for (int64_t done = 0; done < count; done += together) {
    Value group = k_.add(first, done), column = k_.mul(group, kQuantGroup);
    Values x;
    for (Value row : rows) {
      if (done == 0 || rows.size() > 1) // what is prepared holds for one row
        prepareRow(op.getX(), row);
      for (int64_t i = 0; i < 2 * std::min(together, count - done); ++i)
        x.push_back(chunk(op.getX(), row, k_.add(column, i * kChunk)));
    }
    quantizer.store(to, group, x);
  }
  if (whole != groups)
    k_.ifThen(k_.equal(first, k_.c(whole - count)), [&] {
      for (const QuantizedRow &row : to)
        GroupQuantizer(k_, 2, type.getZero()).store(row, k_.c(whole), {zeros(), zeros()});
    });
}

void RegionEmitter::storeQuantized(llm::QuantizeOp op, Value row, Value rowPointer) {
  auto type = cast<llm::QActType>(op.getResult().getType());
  const int64_t columns = type.getCols(), padded = rt::paddedK(columns);
  const int64_t groups = padded / kQuantGroup, batch = groupsTogether(k_);
  const int64_t looped = columns / kQuantGroup / batch * batch;
  QuantizedRow to = quantizedRow(rowPointer, columns);
  GroupQuantizer quantizer(k_, 2 * batch, type.getZero());
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
