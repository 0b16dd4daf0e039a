// Tiles of f32 activations: weights are widened (f16, bf16) or dequantized (i8, i4) to f32 in registers, then FMA.
#include "codegen/cpu/matmul/TileEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kColumnsPerIter = 4;

/// Independent sums a row: one row alone would wait for each FMA.
int64_t TileEmitter::chains() const { return config_.tileRows == 1 ? 4 / halves_ : 1; }

/// Column `column + offset` of an unquantized panel, one vector a half. bf16: `offset` is even, columns 2j and 2j+1 of a
/// line come together as [half][even, odd].
TileEmitter::Values TileEmitter::widened(Value weights, Value column, int64_t offset) {
  Values result;
  int64_t elementBytes = shape_.layout == Layout::F32N16 ? 4 : 2;
  Value base = k_.address(weights, k_.mul(column, kPanelRows * elementBytes));
  for (int64_t h = 0; h < halves_; ++h) {
    int64_t disp = offset * kPanelRows * elementBytes;
    if (shape_.layout == Layout::F32N16) {
      result.push_back(k_.load(floats(), base, Value(), disp + h * lanes_ * 4, lanes_ * 4));
    } else if (shape_.layout == Layout::F16N16) {
      result.push_back(k_.extF(k_.load(k_.vec(lanes_, k_.f16()), base, Value(), disp + h * lanes_ * 2, lanes_ * 2)));
    } else {
      Value pair = k_.load(ints(), base, Value(), disp + h * lanes_ * 4, lanes_ * 4);
      Value even = arith::AndIOp::create(k_.b(), pair, k_.constant(ints(), -65536));
      Value odd = arith::ShLIOp::create(k_.b(), pair, k_.constant(ints(), 16));
      result.push_back(k_.bitcast(even, floats()));
      result.push_back(k_.bitcast(odd, floats()));
    }
  }
  return result;
}

/// totals += weights (one vector a half) * x[row][column] for every row; `x` points at column 0 of the iteration.
void TileEmitter::multiply(const Values &weights, Value x, int64_t column, Values &totals) {
  int64_t chain = column % chains();
  for (int64_t row = 0; row < config_.tileRows; ++row) {
    Value a = k_.loadSplat(k_.f32(), lanes_, x, Value(), row * xStride_ + column * 4);
    for (int64_t h = 0; h < halves_; ++h) {
      Value &total = totals[(chain * config_.tileRows + row) * halves_ + h];
      total = k_.fma(weights[h], a, total);
    }
  }
}

/// `count` columns from `column` on; columns of x past K are never read (their bytes may be anything).
void TileEmitter::floatColumns(const TilePlace &place, Value column, int64_t count, Values &totals) {
  Value x = k_.address(place.x, k_.mul(column, 4));
  bool pairs = shape_.layout == Layout::BF16N16K2;
  for (int64_t i = 0; i < count; ++i) {
    Values weights = widened(place.weights, column, pairs ? i & ~int64_t(1) : i);
    if (pairs) {
      Values one;
      for (int64_t h = 0; h < halves_; ++h)
        one.push_back(weights[2 * h + (i & 1)]);
      weights = one;
    }
    multiply(weights, x, i, totals);
  }
}

/// One line of a quantized panel: 4 consecutive columns (i8), or 4 and the 4 that lie 16 further on (i4). Only the
/// columns of the group below `columns` count.
void TileEmitter::floatLine(const TilePlace &place, Value group, Value line, int64_t columns, Values &totals) {
  Group g = groupAt(place, group);
  Values scales = groupScales(g, 0), mins;
  if (shape_.asymmetric())
    mins = groupScales(g, 64);
  for (int64_t h = 0; h < halves_ && !shape_.asymmetric(); ++h)
    mins.push_back(k_.mulF(scales[h], k_.constant(floats(), shape_.fourBit() ? -8 : -128)));
  Value at = k_.address(g.lines, k_.mul(line, kLineBytes));
  Value x = k_.address(place.x, k_.add(k_.mul(group, kQuantGroup * 4), k_.mul(line, 16)));
  Values packed;
  for (int64_t h = 0; h < halves_; ++h)
    packed.push_back(k_.load(ints(), at, Value(), h * lanes_ * 4, lanes_ * 4));
  Value mask = k_.constant(ints(), shape_.fourBit() ? 15 : 255);
  for (int64_t i = 0; i < (shape_.fourBit() ? 8 : 4); ++i) {
    int64_t shift = i % 4 * 8 + i / 4 * 4, offset = i % 4 + i / 4 * 16;
    if (offset >= columns)
      continue;
    Values weights;
    for (int64_t h = 0; h < halves_; ++h) {
      Value code = arith::ShRUIOp::create(k_.b(), packed[h], k_.constant(ints(), shift));
      code = arith::AndIOp::create(k_.b(), code, mask);
      weights.push_back(k_.fma(arith::SIToFPOp::create(k_.b(), floats(), code), scales[h], mins[h]));
    }
    multiply(weights, x, offset, totals);
  }
}

void TileEmitter::emitFloat(const TilePlace &place) {
  Values totals(chains() * config_.tileRows * halves_, k_.constant(floats(), 0.0));
  auto columns = [&](Value column, ValueRange carried) {
    Values next(carried.begin(), carried.end());
    if (config_.prefetchBytes)
      for (int64_t line = 0; line < kColumnsPerIter * superblockBytes(shape_.layout) / superblockCols(shape_.layout); line += 64)
        k_.prefetch(k_.address(place.weights, k_.mul(column, superblockBytes(shape_.layout) / superblockCols(shape_.layout))),
                    Value(), config_.prefetchBytes + line);
    floatColumns(place, column, kColumnsPerIter, next);
    return next;
  };
  auto groups = [&](Value group, ValueRange carried) {
    prefetchGroup(groupAt(place, group));
    return k_.forLoop(k_.c(0), k_.c(shape_.fourBit() ? 4 : 8), 1, carried, [&](Value line, ValueRange inner) {
      Values next(inner.begin(), inner.end());
      floatLine(place, group, line, kQuantGroup, next);
      return next;
    });
  };
  if (isQuantized(shape_.layout)) {
    int64_t whole = shape_.k / kQuantGroup, rest = shape_.k % kQuantGroup;
    totals = k_.forLoop(k_.c(0), k_.c(whole), 1, totals, groups);
    for (int64_t line = 0; line * 4 < rest; ++line)
      if (line < 4 || !shape_.fourBit())
        floatLine(place, k_.c(whole), k_.c(line), rest - line * 4, totals);
  } else {
    int64_t whole = shape_.k / kColumnsPerIter * kColumnsPerIter;
    totals = k_.forLoop(k_.c(0), k_.c(whole), kColumnsPerIter, totals, columns);
    floatColumns(place, k_.c(whole), shape_.k - whole, totals);
  }
  int64_t width = config_.tileRows * halves_;
  for (int64_t count = chains(); count > 1; count /= 2)
    for (int64_t i = 0; i < count / 2 * width; ++i)
      totals[i] = k_.addF(totals[i], totals[i + count / 2 * width]);
  totals.resize(width);
  storeTotals(place, totals);
}

} // namespace llmc
