// The three inner parts of attention: scores of a tile, softmax of a row, weighted values of a tile.
#include "codegen/cpu/attention/AttendEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

/// A vector of elements of an f16 or f32 cache as f32.
Value AttendEmitter::loadElements(Value base, Value offset, int64_t disp) {
  const unsigned bytes = static_cast<unsigned>(lanes_ * shape_.elementBytes());
  if (shape_.f32Cache)
    return k_.load(k_.vec(lanes_, k_.f32()), base, offset, disp, bytes);
  return k_.extF(k_.load(k_.vec(lanes_, k_.f16()), base, offset, disp, bytes));
}

/// acc[row][vector] += rows[row] * vectors[vector] for all of both; `acc` has a row's vectors side by side.
void AttendEmitter::addProducts(KernelBuilder::Values &acc, int64_t vectors, llvm::function_ref<Value(int64_t)> row,
                                llvm::function_ref<Value(int64_t)> vector) {
  if (lanes_ == 16) {
    KernelBuilder::Values loaded;
    for (int64_t v = 0; v < vectors; ++v)
      loaded.push_back(vector(v));
    for (int64_t r = 0; r < tile_.rows(); ++r) {
      Value factor = row(r);
      for (int64_t v = 0; v < vectors; ++v)
        acc[r * vectors + v] = k_.fma(loaded[v], factor, acc[r * vectors + v]);
    }
    return;
  }
  // 12 sums and the factors of 3 rows leave a register for one vector: LLVM's scheduler would widen all of them first
  // and keep sums on the stack, where each waits for its store (18 instead of 12 cycles for scores, 11 for 6 of
  // values).
  KernelBuilder::Values factors;
  for (int64_t r = 0; r < tile_.rows(); ++r)
    factors.push_back(row(r));
  for (int64_t v = 0; v < vectors; ++v) {
    Value widened = vector(v);
    for (int64_t r = 0; r < tile_.rows(); ++r) {
      Value &sum = acc[r * vectors + v];
      sum = k_.inOrder(k_.fma(widened, factors[r], sum));
    }
  }
}

/// scores[row][key] for `pages` pages at a time: acc[row] += K[d][16 keys] * q[row][d].
void AttendEmitter::emitScores(const AttendItem &item, const Tile &tile, Value head) {
  int64_t dim = shape_.headDim, stride = static_cast<int64_t>(rt::rowStrideBytes(shape_.heads * dim * 4));
  Value queryRow = k_.add(k_.mul(k_.add(item.firstToken, tile.token), stride),
                          k_.mul(k_.add(k_.mul(item.kvHead, shape_.group()), head), dim * 4));
  Value query = k_.address(words_.query, queryRow);
  const int64_t line = shape_.lineBytes(), parts = 16 / lanes_, vectors = tile_.pages * parts;
  k_.forEach(k_.c(0), k_.ceilDiv(tile.visible, AttendShape::kPageTokens), tile_.pages, [&](Value page) {
    KernelBuilder::Values pages, nexts;
    for (int64_t p = 0; p < tile_.pages; ++p)
      pages.push_back(pageAddress(item, k_.add(page, p), 0, shape_.headBytes()));
    for (int64_t p = 0; item.heads && p < tile_.pages; ++p)
      nexts.push_back(pageAddress(item, k_.add(page, p), 0, shape_.headBytes(), /*ahead=*/true));
    KernelBuilder::Values zeros(tile_.rows() * vectors, k_.constant(k_.vec(lanes_, k_.f32()), 0.0));
    auto sums = k_.forLoop(k_.c(0), k_.c(dim), 2, zeros, [&](Value d, ValueRange carried) {
      KernelBuilder::Values acc(carried);
      for (int64_t p = 0; item.heads && p < tile_.pages; ++p)
        for (int64_t at = 0; at < 2 * line; at += 64)
          k_.prefetch(nexts[p], k_.mul(d, line), at, kIntoL2);
      for (int64_t u = 0; u < 2; ++u)
        addProducts(
            acc, vectors,
            [&](int64_t r) {
              const int64_t t = r / tile_.heads, h = r % tile_.heads;
              return k_.loadSplat(k_.f32(), lanes_, query, k_.mul(d, 4), t * stride + h * dim * 4 + u * 4);
            },
            [&](int64_t v) {
              return loadElements(pages[v / parts], k_.mul(d, line), u * line + v % parts * line / parts);
            });
      return acc;
    });
    Value at = k_.add(k_.mul(head, AttendShape::kBlockTokens * 4), k_.mul(page, 64));
    for (int64_t i = 0; i < std::ssize(sums); ++i)
      k_.store(sums[i], scores_, at, rowOf(i / vectors) * AttendShape::kBlockTokens * 4 + i % vectors * lanes_ * 4, 4);
  });
}

/// cap * tanh(s / cap), by tanh(x) = 1 - 2 / (exp(2x) + 1).
static Value applySoftcap(KernelBuilder &k, Value s, double cap) {
  Type type = s.getType();
  Value e = k.exp(k.mulF(s, k.constant(type, 2.0 / cap)));
  Value t = k.divF(k.constant(type, 2.0), k.addF(e, k.constant(type, 1.0)));
  return k.mulF(k.subF(k.constant(type, 1.0), t), k.constant(type, cap));
}

void forEachQuery(KernelBuilder &k, const AttendShape &shape, const AttendWords &words, const AttendItem &item,
                  llvm::function_ref<void(Value query, Value row)> body) {
  const int64_t dim = shape.headDim, group = shape.group();
  int64_t stride = static_cast<int64_t>(rt::rowStrideBytes(shape.heads * dim * 4));
  Value head = k.address(words.query, k.mul(item.kvHead, group * dim * 4));
  k.forEach(k.c(0), k.mul(item.tokenCount, group), 1, [&](Value row) {
    Value token = k.add(item.firstToken, k.divUI(row, group));
    body(k.address(head, k.add(k.mul(token, stride), k.mul(k.remUI(row, group), dim * 4))), row);
  });
}

QueryUnit queryUnit(KernelBuilder &k, Value query, int64_t dim, double largest, double scale) {
  VectorType f32x16 = k.vec(16, k.f32());
  Value most = k.constant(f32x16, 0.0);
  for (int64_t d = 0; d < dim; d += 16)
    most = k.maxF(most, math::AbsFOp::create(k.b(), k.load(f32x16, query, Value(), d * 4, 4)));
  Value top = k.reduceMax(most), zero = k.constant(k.f32(), 0.0);
  // Below this the reciprocal overflows; such a query is as good as zero. A NaN stays one.
  Value any = arith::CmpFOp::create(k.b(), arith::CmpFPredicate::UGT, top, k.constant(k.f32(), 1e-30));
  Value inverse = k.splat(select(k, any, k.divF(k.constant(k.f32(), largest), top), zero), 16);
  return {inverse, select(k, any, k.mulF(top, k.constant(k.f32(), scale / largest)), zero)};
}

VisibleKeys visibleKeys(KernelBuilder &k, const AttendShape &shape, Value here, Value end) {
  auto lanes = [&](Value v) { return k.splat(arith::TruncIOp::create(k.b(), k.i32(), v), 16); };
  VisibleKeys keys;
  keys.end = lanes(k.minSI(k.add(here, 1), end));
  if (shape.window > 0)
    keys.begin = lanes(k.add(here, 1 - shape.window));
  return keys;
}

Value maskHidden(KernelBuilder &k, const VisibleKeys &keys, Value values, int64_t firstKey, double hidden) {
  auto &b = k.b();
  llvm::SmallVector<int32_t> indices;
  for (int32_t i = 0; i < 16; ++i)
    indices.push_back(static_cast<int32_t>(firstKey) + i);
  Value index =
      arith::ConstantOp::create(b, DenseElementsAttr::get(k.vec(16, k.i32()), llvm::ArrayRef<int32_t>(indices)));
  Value visible = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, index, keys.end);
  if (keys.begin)
    visible = arith::AndIOp::create(b, visible, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, index, keys.begin));
  return arith::SelectOp::create(b, visible, values, k.constant(values.getType(), hidden));
}

Value exp2Wide(KernelBuilder &k, Value x, llvm::ArrayRef<double> coefficients) {
  Type type = x.getType();
  Value all = arith::ConstantIntOp::create(k.b(), -1, 16);
  Value floorImmediate = arith::ConstantIntOp::create(k.b(), 9, 32),
        current = arith::ConstantIntOp::create(k.b(), 4, 32);
  Value f = k.intrinsic("llvm.x86.avx512.mask.reduce.ps.512", type, {x, floorImmediate, x, all, current});
  Value p = k.constant(type, coefficients.front());
  for (double coefficient : coefficients.drop_front())
    p = k.fma(p, f, k.constant(type, coefficient));
  return k.intrinsic("llvm.x86.avx512.mask.scalef.ps.512", type, {p, x, p, all, current});
}

Value anyGreater(KernelBuilder &k, Value a, Value v) {
  auto &b = k.b();
  Value lanes = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, a, v);
  Value bits = vector::ExtractOp::create(b, k.bitcast(lanes, k.vec(1, b.getI16Type())), llvm::ArrayRef<int64_t>{0});
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, bits, arith::ConstantIntOp::create(b, 0, 16));
}

/// Makes `row`'s sums so far relative to `now` instead of `largest`.
void AttendEmitter::rescaleRow(Value row, Value largest, Value now) {
  VectorType f32x16 = k_.vec(16, k_.f32());
  Value factor = k_.splat(k_.exp(k_.subF(largest, now)), 16);
  auto scale = [&](Value at, int64_t disp) {
    k_.store(k_.mulF(k_.load(f32x16, state_, at, disp, 4), factor), state_, at, disp, 4);
  };
  scale(k_.mul(row, 64), at_.totals);
  for (int64_t column = 0; column < shape_.headDim; column += 16)
    scale(k_.mul(row, shape_.headDim * 4), column * 4);
}

/// The scores of a row's block, -1e38 where it sees no key.
KernelBuilder::Values AttendEmitter::scoresOf(Value row, const std::optional<VisibleKeys> &keys) {
  VectorType f32x16 = k_.vec(16, k_.f32());
  KernelBuilder::Values scores;
  for (int64_t lane = 0; lane < AttendShape::kBlockTokens; lane += 16) {
    Value s = k_.load(f32x16, scores_, k_.mul(row, AttendShape::kBlockTokens * 4), lane * 4, 4);
    if (!shape_.int8Cache) // else the queries' factors have it
      s = k_.mulF(s, k_.constant(f32x16, shape_.scale));
    if (shape_.softcap > 0)
      s = applySoftcap(k_, s, shape_.softcap);
    scores.push_back(keys ? maskHidden(k_, *keys, s, lane) : s);
  }
  return scores;
}

/// What a row's exponents are relative to, in 16 lanes: the largest score seen when that was last updated, not the
/// largest now. As long as no score exceeds it by 5 (weights up to 148) floats lose nothing, and neither the maximum
/// across lanes nor a correction of older sums is needed.
Value AttendEmitter::largestFor(Value itemRow, ValueRange scores) {
  Value most = scores[0];
  for (Value s : scores.drop_front())
    most = k_.maxF(most, s);
  Value old = k_.load(k_.f32(), state_, k_.mul(itemRow, 4), at_.largest, 4);
  Value limit = k_.splat(k_.addF(old, k_.constant(k_.f32(), 5.0)), 16);
  auto used = k_.ifElse(
      anyGreater(k_, most, limit), {k_.f32()},
      [&] {
        Value now = k_.reduceMax(most);
        rescaleRow(itemRow, old, now);
        k_.store(now, state_, k_.mul(itemRow, 4), at_.largest, 4);
        return KernelBuilder::Values{now};
      },
      [&] { return KernelBuilder::Values{old}; });
  return k_.splat(used[0], 16);
}

/// Calls exp2Wide() where that is possible: half of what k_.exp() costs, with an error of 2 ulp near 0 and of
/// |exponent| / 8 far below.
Value AttendEmitter::weightOf(Value exponent) {
  if (!k_.level().avx512)
    return k_.exp(exponent);
  return exp2Wide(k_, k_.mulF(exponent, k_.constant(exponent.getType(), 1.4426950408889634)),
                  {0.001877576675, 0.008989340091, 0.05582631805, 0.240153617, 0.6931530732, 0.9999999251});
}

/// Weights of one row of the tile from its scores, in their place; those of an int8 cache as storeWeights() says.
void AttendEmitter::emitSoftmaxRow(const Tile &tile, Value row, bool masked, ValueRange valueScales) {
  Value itemRow = k_.add(k_.mul(tile.token, shape_.group()), row);
  std::optional<VisibleKeys> keys;
  if (masked) // past `visible` there may be the next split's keys, or none
    keys =
        visibleKeys(k_, shape_, k_.add(k_.sub(first_, tile.firstKey), k_.divUI(itemRow, shape_.group())), tile.visible);
  KernelBuilder::Values weights = scoresOf(row, keys);
  Value largest = largestFor(itemRow, weights);
  Value total = k_.load(k_.vec(16, k_.f32()), state_, k_.mul(itemRow, 64), at_.totals, 4);
  for (Value &weight : weights) {
    weight = weightOf(k_.subF(weight, largest));
    total = k_.addF(total, weight);
  }
  k_.store(total, state_, k_.mul(itemRow, 64), at_.totals, 4);
  if (shape_.int8Cache)
    return storeWeights(row, weights, valueScales, keys);
  for (auto [i, weight] : llvm::enumerate(weights))
    k_.store(weight, scores_, k_.mul(row, AttendShape::kBlockTokens * 4), i * 64, 4);
}

/// Brings V of key `key` of the next block into L2.
void AttendEmitter::prefetchValues(const AttendItem &item, Value key) {
  Value page =
      pageAddress(item, k_.divUI(key, AttendShape::kPageTokens), shape_.valuesAt(), shape_.headBytes(), /*ahead=*/true);
  Value at = k_.mul(k_.remUI(key, AttendShape::kPageTokens), shape_.rowBytes());
  for (int64_t line = 0; line < shape_.rowBytes(); line += 64)
    k_.prefetch(page, at, line, kIntoL2);
}

/// sums[row][16 columns] += sum over visible keys of p[row][key] * V[key][columns].
void AttendEmitter::emitValues(const AttendItem &item, const Tile &tile, Value head) {
  int64_t dim = shape_.headDim;
  Value sums = k_.mul(k_.add(k_.mul(tile.token, shape_.group()), head), dim * 4);
  Value weights = k_.mul(head, AttendShape::kBlockTokens * 4);
  const int64_t parts = 16 / lanes_, vectors = tile_.columns * parts;
  auto sumAt = [&](int64_t i) { return rowOf(i / vectors) * dim * 4 + i % vectors * lanes_ * 4; };
  k_.forEach(k_.c(0), k_.c(dim * 4), tile_.columns * 64, [&](Value column) {
    Value columnSums = k_.add(sums, column), inRow = k_.divUI(column, 4 / shape_.elementBytes());
    KernelBuilder::Values acc;
    for (int64_t i = 0; i < tile_.rows() * vectors; ++i)
      acc.push_back(k_.load(k_.vec(lanes_, k_.f32()), state_, columnSums, sumAt(i), 4));
    acc = k_.forLoop(k_.c(0), tile.visible, AttendShape::kPageTokens, acc, [&](Value key, ValueRange outer) {
      Value page = k_.divUI(key, AttendShape::kPageTokens), next;
      Value values = k_.address(pageAddress(item, page, shape_.valuesAt(), shape_.headBytes()), inRow);
      if (item.heads)
        next = k_.address(pageAddress(item, page, shape_.valuesAt(), shape_.headBytes(), /*ahead=*/true), inRow);
      Value p = k_.address(scores_, k_.add(weights, k_.mul(key, 4)));
      Value count = k_.minSI(k_.sub(tile.visible, key), k_.c(AttendShape::kPageTokens));
      return k_.forLoop(k_.c(0), count, 1, outer, [&](Value t, ValueRange carried) {
        KernelBuilder::Values now(carried);
        for (int64_t line = 0; next && line < tile_.columns * shape_.lineBytes(); line += 64)
          k_.prefetch(next, k_.mul(t, shape_.rowBytes()), line, kIntoL2);
        addProducts(
            now, vectors,
            [&](int64_t r) {
              return k_.loadSplat(k_.f32(), lanes_, p, k_.mul(t, 4), rowOf(r) * AttendShape::kBlockTokens * 4);
            },
            [&](int64_t v) {
              return loadElements(values, k_.mul(t, shape_.rowBytes()), v * lanes_ * shape_.elementBytes());
            });
        return now;
      });
    });
    for (int64_t i = 0; i < std::ssize(acc); ++i)
      k_.store(acc[i], state_, columnSums, sumAt(i), 4);
  });
}

} // namespace llmc
