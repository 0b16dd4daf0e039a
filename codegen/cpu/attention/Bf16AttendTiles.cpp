// The three inner parts of bf16 attention: scores of twelve rows, softmax of a row, weighted values of twelve rows.
#include "codegen/cpu/attention/Bf16AttendEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kBlock = AttendShape::kBlockTokens, kRows = Bf16Scratch::kTileRows;

Value Bf16AttendEmitter::dot(Value acc, Value a, Value b) {
  Type pairs = k_.vec(32, k_.bf16());
  return k_.intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", acc.getType(),
                      {acc, k_.bitcast(a, pairs), k_.bitcast(b, pairs)});
}

/// scores[row][key] for 32 keys at a time: 12 rows x 2 vectors are 24 independent sums.
void Bf16AttendEmitter::emitScores(const Tile &tile) {
  int64_t dim = shape_.headDim;
  VectorType f32x16 = k_.vec(16, k_.f32()), i32x16 = k_.vec(16, k_.i32());
  Value queries = k_.address(words_.scratch, k_.mul(tile.firstRow, dim * 2), at_.queries);
  k_.forEach(k_.c(0), tile.visible, 32, [&](Value key) {
    Value keys = k_.address(words_.scratch, k_.mul(key, 4), at_.keys);
    KernelBuilder::Values zeros(kRows * 2, k_.constant(f32x16, 0.0));
    auto sums = k_.forLoop(k_.c(0), k_.c(dim), 4, zeros, [&](Value d, ValueRange carried) {
      KernelBuilder::Values acc(carried);
      Value line = k_.mul(d, kBlock * 2), pair = k_.mul(d, 2);
      for (int64_t u = 0; u < 2; ++u) {
        Value low = k_.load(i32x16, keys, line, u * kBlock * 4, 4);
        Value high = k_.load(i32x16, keys, line, u * kBlock * 4 + 64, 4);
        for (int64_t r = 0; r < kRows; ++r) {
          Value q = k_.loadSplat(k_.i32(), 16, queries, pair, r * dim * 2 + u * 4);
          acc[2 * r] = dot(acc[2 * r], low, q);
          acc[2 * r + 1] = dot(acc[2 * r + 1], high, q);
        }
      }
      return acc;
    });
    for (int64_t i = 0; i < kRows * 2; ++i)
      k_.store(sums[i], words_.scratch, k_.mul(key, 4), at_.scores + i / 2 * kBlock * 4 + i % 2 * 64, 4);
  });
}

/// 2^x with relative error 3e-6, where bf16 has 2e-3.
Value Bf16AttendEmitter::exp2(Value x) {
  return exp2Wide(k_, x, {0.0135340961, 0.05201160712, 0.2414426592, 0.6930038586, 1.000002592});
}

/// cap * tanh(s / cap) * log2(e) from 2 s / cap * log2(e), by tanh(x) = 1 - 2 / (exp(2x) + 1).
Value Bf16AttendEmitter::softcapped(Value scores) {
  Type type = scores.getType();
  double cap = shape_.softcap * 1.4426950408889634;
  Value t = k_.divF(k_.constant(type, -2.0 * cap), k_.addF(exp2(scores), k_.constant(type, 1.0)));
  return k_.addF(t, k_.constant(type, cap));
}

/// Makes `row`'s sums so far relative to `now` instead of `largest`.
void Bf16AttendEmitter::rescaleRow(Value row, Value largest, Value now) {
  VectorType f32x16 = k_.vec(16, k_.f32());
  Value factor = exp2(k_.subF(largest, now));
  auto scale = [&](Value at, int64_t disp) {
    k_.store(k_.mulF(k_.load(f32x16, words_.scratch, at, disp, 4), factor), words_.scratch, at, disp, 4);
  };
  scale(k_.mul(row, 64), at_.totals);
  for (int64_t column = 0; column < shape_.headDim; column += 16)
    scale(k_.mul(row, shape_.headDim * 4), at_.sums + column * 4);
}

/// Weights of one row of the tile from its scores. They are relative to the largest score seen when that was last
/// updated, not to the largest now: as long as no score exceeds it by 2^8 floats lose nothing, and neither the maximum
/// across lanes nor a correction of older sums is needed.
void Bf16AttendEmitter::emitSoftmaxRow(const Tile &tile, Value row, bool masked) {
  VectorType f32x16 = k_.vec(16, k_.f32());
  Value itemRow = k_.add(tile.firstRow, row), state = k_.mul(itemRow, 4);
  VisibleKeys keys;
  if (masked)
    keys = visibleKeys(k_, shape_, k_.add(k_.sub(first_, tile.block), k_.divUI(itemRow, shape_.group())), tile.visible);
  KernelBuilder::Values scores;
  for (int64_t lane = 0; lane < kBlock; lane += 16) {
    Value s = k_.load(f32x16, words_.scratch, k_.mul(row, kBlock * 4), at_.scores + lane * 4, 4);
    if (shape_.softcap > 0)
      s = softcapped(s);
    scores.push_back(masked ? maskHidden(k_, keys, s, lane) : s);
  }
  Value most = k_.maxF(k_.maxF(scores[0], scores[1]), k_.maxF(scores[2], scores[3]));
  Value largest = k_.loadSplat(k_.f32(), 16, words_.scratch, state, at_.largest);
  auto used = k_.ifElse(
      anyGreater(k_, most, k_.addF(largest, k_.constant(f32x16, 8.0))), {f32x16},
      [&] {
        Value now = k_.reduceMax(most), lanes = k_.splat(now, 16);
        rescaleRow(itemRow, largest, lanes);
        k_.store(now, words_.scratch, state, at_.largest, 4);
        return KernelBuilder::Values{lanes};
      },
      [&] { return KernelBuilder::Values{largest}; });
  Value total = k_.load(f32x16, words_.scratch, k_.mul(itemRow, 64), at_.totals, 4);
  // The rounded weights are summed, so that they add up to 1 after the division: an error 1% smaller, and cheaper.
  Value ones = k_.constant(k_.vec(16, k_.i32()), 0x3f803f80);
  for (int64_t i = 0; i < kBlock / 16; i += 2) {
    Value weights = pack(exp2(k_.subF(scores[i], used[0])), exp2(k_.subF(scores[i + 1], used[0])));
    k_.store(weights, words_.scratch, k_.mul(row, kBlock * 2), at_.weights + i * 32, 4);
    total = dot(total, weights, ones);
  }
  k_.store(total, words_.scratch, k_.mul(itemRow, 64), at_.totals, 4);
}

void Bf16AttendEmitter::emitValues(const Tile &tile) {
  int64_t pairs = shape_.headDim / 32;
  k_.forEach(k_.c(0), k_.c(pairs * 32), 32, [&](Value column) { emitValueColumns(tile, column, 2); });
  if (shape_.headDim % 32 != 0)
    emitValueColumns(tile, k_.c(pairs * 32), 1);
}

/// sums[row][columns] += sum over visible keys of weights[row][key] * V[key][columns].
void Bf16AttendEmitter::emitValueColumns(const Tile &tile, Value column, int64_t vectors) {
  int64_t dim = shape_.headDim;
  VectorType f32x16 = k_.vec(16, k_.f32()), i32x16 = k_.vec(16, k_.i32());
  Value sums = k_.address(words_.scratch, k_.add(k_.mul(tile.firstRow, dim * 4), k_.mul(column, 4)), at_.sums);
  Value values = k_.address(words_.scratch, k_.mul(column, 4), at_.values);
  auto sumAt = [&](int64_t i) { return i / vectors * dim * 4 + i % vectors * 64; };
  KernelBuilder::Values acc;
  for (int64_t i = 0; i < kRows * vectors; ++i)
    acc.push_back(k_.load(f32x16, sums, Value(), sumAt(i), 4));
  acc = k_.forLoop(k_.c(0), tile.visible, 2, acc, [&](Value key, ValueRange carried) {
    KernelBuilder::Values next(carried);
    KernelBuilder::Values columns;
    for (int64_t v = 0; v < vectors; ++v)
      columns.push_back(k_.load(i32x16, values, k_.mul(key, dim * 2), v * 64, 4));
    for (int64_t r = 0; r < kRows; ++r) {
      Value weight = k_.loadSplat(k_.i32(), 16, words_.scratch, k_.mul(key, 2), at_.weights + r * kBlock * 2);
      for (int64_t v = 0; v < vectors; ++v)
        next[r * vectors + v] = dot(next[r * vectors + v], columns[v], weight);
    }
    return next;
  });
  for (int64_t i = 0; i < kRows * vectors; ++i)
    k_.store(acc[i], sums, Value(), sumAt(i), 4);
}

} // namespace llmc
