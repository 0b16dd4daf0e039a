// The inner parts of attention over an int8 cache: rounding queries and weights, scores and sums of integer products.
#include "codegen/cpu/attention/AttendEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kFour = AttendShape::kFour, kPage = AttendShape::kPageTokens,
                         kBlock = AttendShape::kBlockTokens;
/// Four dimensions of K of all tokens of a page; four tokens of 16 columns of V.
static constexpr int64_t kLine = kFour * 16;
/// Where a row's weights have the factor that makes floats of their sums.
static constexpr int64_t kFactorAt = kBlock * 2;

void AttendEmitter::packQueries(const AttendItem &item) {
  forEachQuery(k_, shape_, words_, item, [&](Value query, Value row) { packQuery(query, row); });
}

/// Keys are stored + 128, which adds 128 times the sum of the codes to each product.
void AttendEmitter::packQuery(Value query, Value row) {
  const int64_t dim = shape_.headDim;
  const QueryUnit unit = queryUnit(k_, query, dim, CodeProducts::kLargestFactor, shape_.scale);
  Value sum;
  for (int64_t d = 0; d < dim; d += 16) {
    Value codes = roundToInt(k_, k_.mulF(k_.load(k_.vec(16, k_.f32()), query, Value(), d * 4, 4), unit.inverse));
    k_.store(keys_.pack(codes), state_, k_.mul(row, dim * 2), at_.queries + d * 2, 4);
    sum = sum ? k_.add(sum, codes) : codes;
  }
  Value total = k_.intrinsic("llvm.vector.reduce.add", k_.i32(), sum);
  k_.store(unit.factor, state_, k_.mul(row, 4), at_.factors, 4);
  k_.store(arith::MulIOp::create(k_.b(), total, k_.constant(k_.i32(), -128)), state_, k_.mul(row, 4), at_.starts, 4);
}

/// Sums of all rows of the tile with the keys of `pages`: [row][page][part][register]. K pages are [D / 4][16][4].
KernelBuilder::Values AttendEmitter::scorePages(const Tile &tile, Value head, ValueRange pages, ValueRange nexts) {
  const int64_t dim = shape_.headDim, parts = keys_.parts(), registers = keys_.registers();
  Value firstRow = k_.add(k_.mul(tile.token, shape_.group()), head);
  Value queries = k_.address(state_, k_.mul(firstRow, dim * 2), at_.queries);
  KernelBuilder::Values begins;
  for (int64_t r = 0; r < tile_.rows(); ++r) {
    Value start = k_.loadSplat(k_.i32(), keys_.lanes(), state_, k_.mul(firstRow, 4), at_.starts + rowOf(r) * 4);
    for (int64_t i = 0; i < tile_.pages * parts; ++i)
      llvm::append_range(begins, keys_.begin(start));
  }
  return k_.forLoop(k_.c(0), k_.c(dim), 2 * kFour, begins, [&](Value d, ValueRange carried) {
    KernelBuilder::Values sums(carried);
    Value at = k_.mul(d, kPage);
    for (int64_t line = 0; line < 2; ++line) {
      for (Value next : nexts)
        k_.prefetch(next, at, line * kLine, kIntoL2);
      llvm::SmallVector<KernelBuilder::Values> codes;
      for (Value page : pages)
        for (int64_t part = 0; part < parts; ++part)
          codes.push_back(keys_.codes(page, at, line * kLine + part * kLine / parts));
      for (int64_t r = 0; r < tile_.rows(); ++r) {
        auto factors = keys_.load(queries, k_.mul(d, 2), rowOf(r) * dim * 2 + line * kFour * 2);
        for (auto [i, code] : llvm::enumerate(codes))
          keys_.add(llvm::MutableArrayRef(sums).slice((r * std::ssize(codes) + i) * registers, registers), code,
                    factors);
      }
    }
    return sums;
  });
}

/// scores[row][key] for `pages` pages at a time.
void AttendEmitter::emitCodeScores(const AttendItem &item, const Tile &tile, Value head) {
  const int64_t parts = keys_.parts(), registers = keys_.registers(), lanes = keys_.lanes();
  Value firstRow = k_.add(k_.mul(tile.token, shape_.group()), head);
  VectorType floats = k_.vec(lanes, k_.f32());
  k_.forEach(k_.c(0), k_.ceilDiv(tile.visible, kPage), tile_.pages, [&](Value page) {
    KernelBuilder::Values pages, nexts, scales;
    for (int64_t p = 0; p < tile_.pages; ++p) {
      Value read = k_.add(page, p);
      pages.push_back(pageAddress(item, read, 0, shape_.headBytes()));
      Value scalesOf = pageAddress(item, read, shape_.scalesAt(), shape_.scaleBytes());
      for (int64_t part = 0; part < parts; ++part)
        scales.push_back(k_.load(floats, scalesOf, Value(), part * lanes * 4, 32));
      if (!item.heads)
        continue;
      nexts.push_back(pageAddress(item, read, 0, shape_.headBytes(), /*ahead=*/true));
      for (int64_t at : {shape_.scalesAt(), shape_.valueScalesAt()})
        k_.prefetch(pageAddress(item, read, at, shape_.scaleBytes(), /*ahead=*/true), Value(), 0, kIntoL2);
    }
    KernelBuilder::Values sums = scorePages(tile, head, pages, nexts);
    Value at = k_.add(k_.mul(head, kBlock * 4), k_.mul(page, kPage * 4));
    for (int64_t r = 0; r < tile_.rows(); ++r) {
      Value factor = k_.loadSplat(k_.f32(), lanes, state_, k_.mul(firstRow, 4), at_.factors + rowOf(r) * 4);
      for (auto [i, scale] : llvm::enumerate(scales)) {
        auto sum = llvm::ArrayRef(sums).slice((r * std::ssize(scales) + i) * registers, registers);
        Value score = k_.mulF(arith::SIToFPOp::create(k_.b(), floats, keys_.total(sum)), k_.mulF(scale, factor));
        k_.store(score, scores_, at, rowOf(r) * kBlock * 4 + static_cast<int64_t>(i) * lanes * 4, 4);
      }
    }
  });
}

/// A row's weights times the scales of the values, as integers below 32,768 in place of its scores, and their factor, a
/// power of two. They are relative to the block's largest: a block far below the largest score loses no more than
/// others.
void AttendEmitter::storeWeights(Value row, ValueRange weights, ValueRange scales,
                                 const std::optional<VisibleKeys> &keys) {
  ImplicitLocOpBuilder &b = k_.b();
  VectorType f32x16 = k_.vec(16, k_.f32());
  KernelBuilder::Values scaled;
  Value most = k_.constant(f32x16, 1e-30); // so that the factor's reciprocal is finite
  for (auto [i, weight, scale] : llvm::enumerate(weights, scales)) {
    Value w = k_.mulF(weight, k_.load(f32x16, scale, Value(), 0, 64));
    // The scale of a key that has not been written may be NaN.
    scaled.push_back(keys ? maskHidden(k_, *keys, w, static_cast<int64_t>(i) * 16, 0.0) : w);
    most = k_.maxF(most, scaled.back());
  }
  // 2^e of the largest: the factor is 2^(e - 14), in bits of floats. What would round to 2^15 is in the next e.
  Value top = k_.mulF(k_.reduceMax(most), k_.constant(k_.f32(), 1.00004));
  auto constant = [&](int64_t value) { return arith::ConstantIntOp::create(b, static_cast<int32_t>(value), 32); };
  Value exponent = arith::AndIOp::create(b, arith::BitcastOp::create(b, k_.i32(), top), constant(0x7f800000));
  Value inverse = k_.sub(constant(int64_t{2 * 127 + 14} << 23), exponent);
  Value factor = k_.sub(exponent, constant(int64_t{14} << 23)), at = k_.mul(row, kBlock * 4);
  Value lanes = k_.splat(arith::BitcastOp::create(b, k_.f32(), inverse), 16);
  for (auto [i, w] : llvm::enumerate(scaled))
    k_.store(values_.pack(roundToInt(k_, k_.mulF(w, lanes))), scores_, at, static_cast<int64_t>(i) * 32, 4);
  k_.store(factor, scores_, at, kFactorAt, 4);
}

/// Adds a page's values at `column` (in bytes of f32 sums) times the weights of all rows:
/// [row][column][part][register]. V pages are [4][D][4 tokens]. Weights of keys that a row does not see are 0.
KernelBuilder::Values AttendEmitter::sumPage(const AttendItem &item, const Tile &tile, Value column, Value weights,
                                             Value key, ValueRange sums) {
  const int64_t parts = values_.parts(), registers = values_.registers();
  Value page = k_.divUI(key, kPage);
  // A column's word has as many bytes as its f32 sum.
  Value values = k_.address(pageAddress(item, page, shape_.valuesAt(), shape_.headBytes()), column);
  Value next;
  if (item.heads)
    next = k_.address(pageAddress(item, page, shape_.valuesAt(), shape_.headBytes(), /*ahead=*/true), column);
  KernelBuilder::Values now(sums);
  for (int64_t token = 0; token < kPage; token += kFour) {
    const int64_t line = token * shape_.headDim;
    for (int64_t c = 0; next && c < tile_.columns; ++c)
      k_.prefetch(next, Value(), line + c * kLine, kIntoL2);
    llvm::SmallVector<KernelBuilder::Values> codes;
    for (int64_t i = 0; i < tile_.columns * parts; ++i)
      codes.push_back(values_.codes(values, Value(), line + i * kLine / parts));
    for (int64_t r = 0; r < tile_.rows(); ++r) {
      auto factors = values_.load(weights, k_.mul(key, 2), token * 2 + rowOf(r) * kBlock * 4);
      for (auto [i, code] : llvm::enumerate(codes))
        values_.add(llvm::MutableArrayRef(now).slice((r * std::ssize(codes) + i) * registers, registers), code,
                    factors);
    }
  }
  return now;
}

/// sums[row][16 columns] += sum over visible keys of p[row][key] * V[key][columns].
void AttendEmitter::emitCodeValues(const AttendItem &item, const Tile &tile, Value head) {
  const int64_t dim = shape_.headDim, lanes = values_.lanes(), registers = values_.registers();
  const int64_t sumsOfRow = tile_.columns * values_.parts();
  VectorType floats = k_.vec(lanes, k_.f32());
  Value rows = k_.mul(k_.add(k_.mul(tile.token, shape_.group()), head), dim * 4);
  Value weights = k_.address(scores_, k_.mul(head, kBlock * 4));
  KernelBuilder::Values zeros;
  for (int64_t i = 0; i < tile_.rows() * sumsOfRow; ++i)
    llvm::append_range(zeros, values_.begin(k_.constant(values_.sumType(), 0)));
  k_.forEach(k_.c(0), k_.c(dim * 4), tile_.columns * 64, [&](Value column) {
    KernelBuilder::Values sums = k_.forLoop(k_.c(0), tile.visible, kPage, zeros, [&](Value key, ValueRange carried) {
      return sumPage(item, tile, column, weights, key, carried);
    });
    for (int64_t r = 0; r < tile_.rows(); ++r) {
      Value factor = k_.loadSplat(k_.f32(), lanes, weights, Value(), rowOf(r) * kBlock * 4 + kFactorAt);
      for (int64_t i = 0; i < sumsOfRow; ++i) {
        auto sum = llvm::ArrayRef(sums).slice((r * sumsOfRow + i) * registers, registers);
        Value more = arith::SIToFPOp::create(k_.b(), floats, values_.total(sum)), at = k_.add(rows, column);
        const int64_t disp = rowOf(r) * dim * 4 + i * lanes * 4;
        k_.store(k_.fma(more, factor, k_.load(floats, state_, at, disp, 4)), state_, at, disp, 4);
      }
    }
  });
}

} // namespace llmc
