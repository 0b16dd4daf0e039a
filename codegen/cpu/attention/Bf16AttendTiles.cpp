// The inner parts of bf16 attention: scores of twelve rows, weights of a row, weighted values of twelve rows.
#include "codegen/cpu/attention/Bf16AttendEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kRows = kBf16TileRows;

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

/// The rounded weights are summed, so that they add up to 1 after the division: an error 1% smaller, and cheaper.
Value Bf16AttendEmitter::addWeights(Value row, ValueRange scores, Value largest, const std::optional<VisibleKeys> &,
                                    Value total) {
  Value ones = k_.constant(k_.vec(16, k_.i32()), 0x3f803f80);
  for (int64_t i = 0; i < kBlock / 16; i += 2) {
    Value weights = pack(exp2(k_.subF(scores[i], largest)), exp2(k_.subF(scores[i + 1], largest)));
    k_.store(weights, words_.scratch, k_.mul(row, kBlock * 2), at_.weights + i * 32, 4);
    total = dot(total, weights, ones);
  }
  return total;
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
