// Integer tiles of AVX2 for 4 bits: the sums of a group's first and last 16 columns are the two 16-bit words of a lane,
// so that one instruction scales both and no lane is widened twice. Codes and rows of x are brought into that order
// once a row block. A real loop over the steps of a group bounds LLVM's scheduler, f32 sums live in memory.
#include "codegen/cpu/matmul/TileEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

/// Word sums of one group, [row * halves + half]: both halves of the lanes share what is read of x.
TileEmitter::Values TileEmitter::wordSteps(const TilePlace &place, const Group &group, Value g) {
  Value lines = k_.address(place.unpacked, k_.mul(k_.sub(g, place.groupBegin), kQuantGroup * kPanelRows));
  Values sums(config_.tileRows * halves_, k_.constant(sumType(), 0));
  return k_.forLoop(k_.c(0), k_.c(8), 1, sums, [&](Value step, ValueRange carried) {
    Values next(carried), weights;
    Value at = k_.address(lines, k_.mul(step, kLineBytes)), x = k_.address(group.x, k_.mul(step, 4));
    for (int64_t h = 0; h < halves_; ++h)
      weights.push_back(loadBytes(at, h * lanes_ * 4));
    for (int64_t row = 0; row < config_.tileRows; ++row) {
      Value values = activation(x, row, 0);
      for (int64_t h = 0; h < halves_; ++h) {
        Value &sum = next[row * halves_ + h];
        sum = dot(sum, weights[h], values);
      }
    }
    return next;
  });
}

void TileEmitter::emitWords(const TilePlace &place) {
  auto each = [&](llvm::function_ref<Value(int64_t, Value)> change) {
    for (int64_t i = 0; i < config_.tileRows * halves_; ++i)
      k_.store(change(i, k_.load(floats(), place.sums, Value(), totalAt(i), 32)), place.sums, Value(), totalAt(i), 32);
  };
  k_.ifThen(k_.equal(place.groupBegin, k_.c(0)), [&] {
    Values starts = loadTotals(place);
    each([&](int64_t i, Value) { return starts[i]; });
  });
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    Group group = groupAt(place, g);
    if (place.ahead)
      prefetchShare(place, g);
    addWords(place, group, wordSteps(place, group, g));
  });
  k_.ifThen(k_.equal(place.groupEnd, k_.c(shape_.groups())), [&] {
    Values units = rowUnits(place);
    each([&](int64_t i, Value total) { return k_.mulF(total, units[i / halves_]); });
  });
}

/// A line's bytes hold columns c and c + 16 as nibbles: the words of a step are those of c, c + 1 and of c + 16, c
/// + 17.
void TileEmitter::emitUnpackWords(const TilePlace &place) {
  VectorType words = k_.vec(lanes_ * 2, k_.b().getI16Type());
  llvm::SmallVector<int64_t> blend; // even words of the first, odd ones of the second
  for (int64_t i = 0; i < lanes_ * 2; ++i)
    blend.push_back(i % 2 == 0 ? i : lanes_ * 2 + i);
  auto shifted = [&](Value v, int64_t bits) -> Value {
    Value count = k_.constant(ints(), static_cast<double>(bits < 0 ? -bits : bits));
    return bits < 0 ? arith::ShLIOp::create(k_.b(), v, count).getResult()
                    : arith::ShRUIOp::create(k_.b(), v, count).getResult();
  };
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    Group group = groupAt(place, g);
    Value out = k_.address(place.unpacked, k_.mul(k_.sub(g, place.groupBegin), kQuantGroup * kPanelRows));
    for (int64_t h = 0; h < halves_; ++h)
      for (auto [i, line] : llvm::enumerate(codeLinesOf(group, h))) {
        Value codes = k_.bitcast(line, ints());
        for (int64_t odd = 0; odd < 2; ++odd) {
          Value first = k_.bitcast(odd ? shifted(codes, 16) : codes, words);
          Value last = k_.bitcast(shifted(codes, odd ? 4 : -12), words);
          Value both = k_.bitcast(vector::ShuffleOp::create(k_.b(), first, last, blend), bytes());
          k_.store(arith::AndIOp::create(k_.b(), both, k_.constant(bytes(), 15)), out, Value(),
                   (2 * static_cast<int64_t>(i) + odd) * kLineBytes + h * lanes_ * 4, 32);
        }
      }
  });
}

/// The f32 sums of the tile plus those of a group: scale * (both sums times their scales [+ bias]) [+ min * bias], in
/// units of the row.
void TileEmitter::addWords(const TilePlace &place, const Group &group, const Values &sums) {
  const RowScalesLayout layout(shape_);
  Values scales = groupScales(group, 0), mins;
  // Behind the steps, and no f32 sum before them: no register is left there.
  scales[0] = k_.inOrder(scales[0]);
  if (shape_.asymmetric() && !config_.preparesMins(shape_))
    mins = groupMins(group);
  for (int64_t row = 0; row < config_.tileRows; ++row) {
    const RowFactors factors = rowFactors(group, row);
    Value bias;
    if (!mins.empty())
      bias = k_.loadSplat(k_.f32(), lanes_, group.prepared, Value(), row * layout.stride + layout.biases);
    for (int64_t h = 0; h < halves_; ++h) {
      const int64_t i = row * halves_ + h;
      Value sum = k_.intrinsic("llvm.x86.avx2.pmadd.wd", ints(), {sums[i], factors.scales});
      if (factors.bias)
        sum = k_.add(sum, factors.bias);
      Value total = k_.load(floats(), place.sums, Value(), totalAt(i), 32);
      total = k_.fma(arith::SIToFPOp::create(k_.b(), floats(), sum), scales[h], total);
      if (bias)
        total = k_.fma(mins[h], bias, total);
      k_.store(total, place.sums, Value(), totalAt(i), 32);
    }
  }
}

void emitWordRows(KernelBuilder &k, const MatmulShape &shape, Value x, Value rows, Value out, int64_t stride) {
  VectorType half = k.vec(8, k.b().getI16Type());
  llvm::SmallVector<int64_t> turns;
  for (int64_t i = 0; i < 8; ++i)
    turns.append({i, i + 8});
  k.forEach(k.c(0), rows, 1, [&](Value row) {
    Value from = k.address(x, k.mul(row, shape.xStride())), to = k.address(out, k.mul(row, stride));
    k.forEach(k.c(0), k.c(shape.groups() * kQuantGroup), kQuantGroup, [&](Value column) {
      Value first = k.load(half, from, column, 0, 16), last = k.load(half, from, column, 16, 16);
      k.store(vector::ShuffleOp::create(k.b(), first, last, turns), to, column, 0, 16);
    });
  });
}

} // namespace llmc
