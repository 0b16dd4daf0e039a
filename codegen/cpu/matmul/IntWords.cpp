// Integer tiles of AVX2 in the order of words (WordRows.cpp): for codes below 8 bits the two 16-bit words of a lane are
// sums of different columns, so that one instruction scales and joins them and no lane is widened by itself; codes of 8
// bits and x are 16-bit numbers. The steps of a group follow each other: a loop's own instructions are a tenth of a
// step's, which counts where another thread shares the core (README.md). f32 sums live in memory.
#include "codegen/cpu/matmul/TileEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc {

/// Where the sums of a part start, [row * halves + half]: what its center takes from every code, mod 2^16. Codes of 5
/// and 6 bits fit 16 bits only with it: 16 columns * 16 * 127, 8 columns * 32 * 127.
TileEmitter::Values TileEmitter::wordStarts(const TilePlace &place, Value part) {
  const WordLayout words(shape_);
  VectorType type = words.wide ? ints() : k_.vec(lanes_ * 2, k_.b().getI16Type());
  if (words.center == 0 || words.wide)
    return Values(config_.tileRows * halves_, k_.constant(type, 0));
  const RowScalesLayout layout(shape_);
  Value at = k_.address(place.rowScales, k_.mul(part, 4), layout.starts);
  Values starts;
  for (int64_t row = 0; row < config_.tileRows; ++row)
    starts.append(halves_, k_.bitcast(k_.loadSplat(k_.i32(), lanes_, at, Value(), row * layout.stride), type));
  return starts;
}

/// Sums of a part, [row * halves + half], whose codes lie at `lines` and whose columns of x at `x`: both halves of the
/// lanes share what is read of x.
TileEmitter::Values TileEmitter::wordSteps(Value lines, Value x, const Values &starts) {
  const WordLayout words(shape_);
  VectorType pairs = k_.vec(lanes_ * 2, k_.b().getI16Type());
  auto product = [&](Value weights, Value values) -> Value {
    if (words.wide)
      return k_.intrinsic("llvm.x86.avx2.pmadd.wd", ints(), {k_.bitcast(weights, pairs), k_.bitcast(values, pairs)});
    return k_.intrinsic("llvm.x86.avx2.pmadd.ub.sw", pairs, {weights, values});
  };
  Values sums = starts;
  for (int64_t step = 0; step < words.steps; ++step) {
    Values weights;
    for (int64_t h = 0; h < halves_; ++h)
      weights.push_back(loadBytes(lines, step * kLineBytes + h * lanes_ * 4));
    for (int64_t row = 0; row < config_.tileRows; ++row) {
      Value values = activation(x, row, step * 4);
      for (int64_t h = 0; h < halves_; ++h) {
        Value &sum = sums[row * halves_ + h];
        sum = k_.add(sum, product(weights[h], values));
      }
    }
    // Else loads of later steps, and sums of this one behind them, take registers that are not there.
    for (Value &sum : sums)
      sum = k_.inOrder(sum);
  }
  return sums;
}

/// The f32 sums of the tile plus those of a part, in units of the row: scale * sums [+ min * bias]. f32 scales of the
/// panel's rows lie at `scalesAt`.
void TileEmitter::addWords(const TilePlace &place, Value part, Value scalesAt, const Values &sums,
                           llvm::function_ref<Values()> loadMins) {
  const bool wide = WordLayout(shape_).wide;
  Values scales;
  for (int64_t h = 0; h < halves_; ++h)
    scales.push_back(k_.load(floats(), scalesAt, Value(), h * lanes_ * 4, lanes_ * 4));
  // Behind the steps, and no f32 sum before them: no register is left there.
  scales[0] = k_.inOrder(scales[0]);
  const Values mins = loadMins();
  const RowScalesLayout layout(shape_);
  Value prepared = k_.address(place.rowScales, k_.mul(part, 4));
  VectorType pairs = k_.vec(lanes_ * 2, k_.b().getI16Type());
  for (int64_t row = 0; row < config_.tileRows; ++row) {
    Value factors, bias;
    if (!mins.empty())
      bias = k_.loadSplat(k_.f32(), lanes_, prepared, Value(), row * layout.stride + layout.biases);
    if (!wide)
      factors = k_.bitcast(k_.loadSplat(k_.i32(), lanes_, prepared, Value(), row * layout.stride), pairs);
    for (int64_t h = 0; h < halves_; ++h) {
      const int64_t i = row * halves_ + h;
      Value sum = wide ? sums[i] : k_.intrinsic("llvm.x86.avx2.pmadd.wd", ints(), {sums[i], factors});
      Value total = k_.load(floats(), place.sums, Value(), totalAt(i), 32);
      total = k_.fma(arith::SIToFPOp::create(k_.b(), floats(), sum), scales[h], total);
      if (bias)
        total = k_.fma(mins[h], bias, total);
      k_.store(total, place.sums, Value(), totalAt(i), 32);
    }
  }
}

void TileEmitter::emitWords(const TilePlace &place) {
  const WordLayout words(shape_);
  auto each = [&](llvm::function_ref<Value(int64_t, Value)> change) {
    for (int64_t i = 0; i < config_.tileRows * halves_; ++i)
      k_.store(change(i, k_.load(floats(), place.sums, Value(), totalAt(i), 32)), place.sums, Value(), totalAt(i), 32);
  };
  k_.ifThen(k_.equal(place.groupBegin, k_.c(0)), [&] {
    Values starts = loadTotals(place);
    each([&](int64_t i, Value) { return starts[i]; });
  });
  const bool minsAsFloats = shape_.asymmetric() && !config_.preparesMins(shape_);
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    if (place.ahead)
      prefetchShare(place, g);
    auto mins = [&]() -> Values { return minsAsFloats ? groupMins(groupAt(place, g)) : Values(); };
    Value group = k_.address(place.unpacked, k_.mul(k_.sub(g, place.groupBegin), words.groupBytes));
    Value x = k_.address(place.x, k_.mul(g, words.xBytes)), first = k_.mul(g, words.parts);
    for (int64_t part = 0; part < words.parts; ++part) {
      Value number = k_.add(first, part);
      Value lines = k_.address(group, Value(), part * words.steps * kLineBytes);
      Values sums = wordSteps(lines, k_.address(x, Value(), part * words.steps * 4), wordStarts(place, number));
      addWords(place, number, k_.address(group, Value(), words.codeBytes + part * kLineBytes), sums, mins);
    }
  });
  k_.ifThen(k_.equal(place.groupEnd, k_.c(shape_.groups())), [&] {
    Values units = rowUnits(place);
    each([&](int64_t i, Value total) { return k_.mulF(total, units[i / halves_]); });
  });
}

} // namespace llmc
