// The three inner parts of attention: scores of a tile, softmax of a row, weighted values of a tile.
#include "codegen/cpu/attention/AttendEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

/// 16 elements of an f16 or f32 cache as f32.
Value AttendEmitter::loadElements(Value base, Value offset, int64_t disp) {
  if (shape_.f32Cache)
    return k_.load(k_.vec(16, k_.f32()), base, offset, disp, 64);
  return k_.extF(k_.load(k_.vec(16, k_.f16()), base, offset, disp, 32));
}

/// scores[row][key] for `pages` pages at a time: acc[row] += K[d][16 keys] * q[row][d].
void AttendEmitter::emitScores(const AttendItem &item, const Tile &tile, Value head) {
  int64_t dim = shape_.headDim, stride = static_cast<int64_t>(rt::rowStrideBytes(shape_.heads * dim * 4));
  Value queryRow = k_.add(k_.mul(k_.add(item.firstToken, tile.token), stride),
                          k_.mul(k_.add(k_.mul(item.kvHead, shape_.group()), head), dim * 4));
  Value query = k_.address(words_.query, queryRow);
  VectorType f32x16 = k_.vec(16, k_.f32());
  int64_t line = shape_.lineBytes();
  k_.forEach(k_.c(0), k_.ceilDiv(tile.visible, AttendShape::kPageTokens), tile_.pages, [&](Value page) {
    KernelBuilder::Values pages, nexts;
    for (int64_t p = 0; p < tile_.pages; ++p)
      pages.push_back(pageAddress(item, k_.add(page, p), 0, shape_.headBytes()));
    for (int64_t p = 0; item.heads && p < tile_.pages; ++p)
      nexts.push_back(pageAddress(item, k_.add(page, p), 0, shape_.headBytes(), /*ahead=*/true));
    KernelBuilder::Values zeros(tile_.rows() * tile_.pages, k_.constant(f32x16, 0.0));
    auto sums = k_.forLoop(k_.c(0), k_.c(dim), 2, zeros, [&](Value d, ValueRange carried) {
      KernelBuilder::Values acc(carried);
      for (int64_t p = 0; item.heads && p < tile_.pages; ++p)
        for (int64_t at = 0; at < 2 * line; at += 64)
          k_.prefetch(nexts[p], k_.mul(d, line), at, kIntoL2);
      for (int64_t u = 0; u < 2; ++u) {
        KernelBuilder::Values keys;
        for (Value address : pages)
          keys.push_back(loadElements(address, k_.mul(d, line), u * line));
        for (int64_t t = 0; t < tile_.tokens; ++t)
          for (int64_t h = 0; h < tile_.heads; ++h) {
            Value q = k_.loadSplat(k_.f32(), 16, query, k_.mul(d, 4), t * stride + h * dim * 4 + u * 4);
            for (int64_t p = 0; p < tile_.pages; ++p) {
              Value &sum = acc[(t * tile_.heads + h) * tile_.pages + p];
              sum = k_.fma(keys[p], q, sum);
            }
          }
      }
      return acc;
    });
    Value at = k_.add(k_.mul(head, AttendShape::kBlockTokens * 4), k_.mul(page, 64));
    for (int64_t r = 0; r < tile_.rows(); ++r)
      for (int64_t p = 0; p < tile_.pages; ++p)
        k_.store(sums[r * tile_.pages + p], scores_, at, rowOf(r) * AttendShape::kBlockTokens * 4 + p * 64, 4);
  });
}

/// cap * tanh(s / cap), by tanh(x) = 1 - 2 / (exp(2x) + 1).
static Value applySoftcap(KernelBuilder &k, Value s, double cap) {
  Type type = s.getType();
  Value e = k.exp(k.mulF(s, k.constant(type, 2.0 / cap)));
  Value t = k.divF(k.constant(type, 2.0), k.addF(e, k.constant(type, 1.0)));
  return k.mulF(k.subF(k.constant(type, 1.0), t), k.constant(type, cap));
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

/// Brings V of key `key` of the next block into L2: `columns` vectors from byte `column` of a row of sums on.
void AttendEmitter::prefetchValues(const AttendItem &item, Value key, Value column, int64_t columns) {
  Value page =
      pageAddress(item, k_.divUI(key, AttendShape::kPageTokens), shape_.valuesAt(), shape_.headBytes(), /*ahead=*/true);
  Value at = k_.add(k_.mul(k_.remUI(key, AttendShape::kPageTokens), shape_.rowBytes()),
                    k_.divUI(column, 4 / shape_.elementBytes()));
  for (int64_t line = 0; line < columns * shape_.lineBytes(); line += 64)
    k_.prefetch(page, at, line, kIntoL2);
}

/// sums[row][16 columns] += sum over visible keys of p[row][key] * V[key][columns].
void AttendEmitter::emitValues(const AttendItem &item, const Tile &tile, Value head) {
  int64_t dim = shape_.headDim;
  Value sums = k_.mul(k_.add(k_.mul(tile.token, shape_.group()), head), dim * 4);
  Value weights = k_.mul(head, AttendShape::kBlockTokens * 4);
  VectorType f32x16 = k_.vec(16, k_.f32());
  k_.forEach(k_.c(0), k_.c(dim * 4), tile_.columns * 64, [&](Value column) {
    Value columnSums = k_.add(sums, column);
    KernelBuilder::Values acc;
    for (int64_t r = 0; r < tile_.rows(); ++r)
      for (int64_t v = 0; v < tile_.columns; ++v)
        acc.push_back(k_.load(f32x16, state_, columnSums, rowOf(r) * dim * 4 + v * 64, 4));
    acc = k_.forLoop(k_.c(0), tile.visible, AttendShape::kPageTokens, acc, [&](Value key, ValueRange outer) {
      Value page = k_.divUI(key, AttendShape::kPageTokens);
      Value values = k_.address(pageAddress(item, page, shape_.valuesAt(), shape_.headBytes()),
                                k_.divUI(column, 4 / shape_.elementBytes()));
      Value p = k_.address(scores_, k_.add(weights, k_.mul(key, 4)));
      Value count = k_.minSI(k_.sub(tile.visible, key), k_.c(AttendShape::kPageTokens));
      return k_.forLoop(k_.c(0), count, 1, outer, [&](Value t, ValueRange carried) {
        KernelBuilder::Values next(carried);
        if (item.heads)
          prefetchValues(item, k_.add(key, t), column, tile_.columns);
        KernelBuilder::Values vs;
        for (int64_t v = 0; v < tile_.columns; ++v)
          vs.push_back(loadElements(values, k_.mul(t, shape_.rowBytes()), v * shape_.lineBytes()));
        for (int64_t r = 0; r < tile_.rows(); ++r) {
          Value weight = k_.loadSplat(k_.f32(), 16, p, k_.mul(t, 4), rowOf(r) * AttendShape::kBlockTokens * 4);
          for (int64_t v = 0; v < tile_.columns; ++v)
            next[r * tile_.columns + v] = k_.fma(vs[v], weight, next[r * tile_.columns + v]);
        }
        return next;
      });
    });
    for (int64_t r = 0; r < tile_.rows(); ++r)
      for (int64_t v = 0; v < tile_.columns; ++v)
        k_.store(acc[r * tile_.columns + v], state_, columnSums, rowOf(r) * dim * 4 + v * 64, 4);
  });
}

} // namespace llmc
