// Tiles of f32 activations: weights are widened (f16, bf16) or dequantized (i8, i4) to f32 in registers, then FMA.
#include "codegen/cpu/matmul/TileEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

static constexpr int64_t kColumnsPerIter = 4;

/// Independent sums a row: four in all hide the latency of FMA.
int64_t TileEmitter::chains() const { return MatmulConfig::chains(k_.level(), config_.tileRows); }

/// Bytes of a column of an unquantized panel.
int64_t TileEmitter::columnBytes() const { return kPanelRows * (shape_.layout == Layout::F32N16 ? 4 : 2); }

/// Column `column + offset` of an unquantized panel, one vector a half. bf16: `offset` is even, columns 2j and 2j+1 of
/// a line come together as [half][even, odd].
TileEmitter::Values TileEmitter::widened(Value weights, Value column, int64_t offset) {
  Values result;
  Value base = k_.address(weights, k_.mul(column, columnBytes()));
  for (int64_t h = 0; h < halves_; ++h) {
    int64_t disp = offset * columnBytes();
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

/// totals += weights (one vector a part, [panel * halves + half]) * x[row][column] for every row; `x` points at column
/// 0 of the iteration.
void TileEmitter::multiply(const Values &weights, Value x, int64_t column, Values &totals) {
  const int64_t chain = column % chains(), parts = std::ssize(weights);
  for (int64_t row = 0; row < config_.tileRows; ++row) {
    Value a = k_.loadSplat(k_.f32(), lanes_, x, Value(), row * xStride_ + column * 4);
    for (int64_t part = 0; part < parts; ++part) {
      Value &total = totals[chain * config_.tileRows * parts + sumIndex(row, part)];
      total = k_.fma(weights[part], a, total);
    }
  }
}

/// `count` columns from `column` on; columns of x past K are never read (their bytes may be anything).
void TileEmitter::floatColumns(const TilePlace &place, Value column, int64_t count, Values &totals) {
  Value x = k_.address(place.x, k_.mul(column, 4));
  bool pairs = shape_.layout == Layout::BF16N16K2;
  // 12 sums and two vectors of one column leave no register for those of the other: its line is read again.
  const bool again = pairs && !k_.level().avx512 && config_.tileRows > 4;
  for (int64_t i = 0; i < count; ++i) {
    if (again && i % 2 == 1)
      totals[0] = k_.inOrder(totals[0]);
    Values weights;
    for (const TilePlace &panel : panelsOf(place)) {
      if (config_.prefetchBytes && i * columnBytes() % kLineBytes == 0)
        k_.prefetch(panel.weights, k_.mul(column, columnBytes()), config_.prefetchBytes + i * columnBytes());
      const Values read = widened(panel.weights, column, pairs ? i & ~int64_t(1) : i);
      for (int64_t h = 0; h < halves_; ++h)
        weights.push_back(pairs ? read[2 * h + (i & 1)] : read[h]);
    }
    multiply(weights, x, i, totals);
  }
}

/// Codes of byte `shift / 8` of every dword of `packed`, f32. With upper bits: those at bit `shift % 8 / 4 * 4` belong
/// to the first (0) or last (1) 16 columns.
Value TileEmitter::codesAt(Value packed, int64_t shift, const Values &upper, Value line) {
  bool byte = codeLines(shape_.layout) == 8;
  auto bitsAt = [&](Value from, Value by, int64_t mask) -> Value {
    return arith::AndIOp::create(k_.b(), arith::ShRUIOp::create(k_.b(), from, by), k_.constant(ints(), mask));
  };
  Value code = bitsAt(packed, k_.constant(ints(), shift), byte ? 255 : 15);
  if (!upper.empty()) {
    int64_t bits = upperLines(shape_.layout), part = shift % 8 / 4;
    // Step line + 4 * part: bit `step` of one line, or bits 2 * line of line `part`.
    Value first = k_.add(k_.mul(line, bits), shift / 8 * 8 + (bits == 1 ? 4 * part : 0));
    Value by = k_.splat(arith::TruncIOp::create(k_.b(), k_.i32(), first), lanes_);
    Value top = bitsAt(upper[bits == 1 ? 0 : part], by, (1 << bits) - 1);
    code = arith::OrIOp::create(k_.b(), code, arith::ShLIOp::create(k_.b(), top, k_.constant(ints(), 4)));
  }
  return arith::SIToFPOp::create(k_.b(), floats(), code);
}

/// One line of a quantized panel: 4 consecutive columns (i8), or 4 and the 4 that lie 16 further on. Only the columns
/// of the group below `columns` count.
void TileEmitter::floatLine(const TilePlace &place, Value group, Value line, int64_t columns, Values &totals) {
  Group g = groupAt(place, group);
  Scales scales = scalesOf(g);
  Values mins = scales.mins; // [part][half]: what a code of zero stands for
  mins.append(scales.mins);
  Value zero = k_.constant(floats(), -static_cast<double>(shape_.format().zero));
  for (int64_t i = 0; i < 2 * halves_ && scales.mins.empty(); ++i)
    mins.push_back(k_.mulF((i < halves_ ? scales.first : scales.second)[i % halves_], zero));
  Value at = k_.address(g.lines, k_.mul(line, kLineBytes));
  Value x = k_.address(place.x, k_.add(k_.mul(group, kQuantGroup * 4), k_.mul(line, 16)));
  Values packed;
  llvm::SmallVector<Values> upper(halves_);
  for (int64_t h = 0; h < halves_; ++h) {
    packed.push_back(k_.load(ints(), at, Value(), h * lanes_ * 4, lanes_ * 4));
    for (Value bits : upperBits(g, h))
      upper[h].push_back(k_.bitcast(bits, ints()));
  }
  for (int64_t i = 0; i < (codeLines(shape_.layout) == 8 ? 4 : 8); ++i) {
    int64_t offset = i % 4 + i / 4 * 16;
    if (offset >= columns)
      continue;
    Values weights;
    for (int64_t h = 0; h < halves_; ++h) {
      Value code = codesAt(packed[h], i % 4 * 8 + i / 4 * 4, upper[h], line);
      weights.push_back(k_.fma(code, (i / 4 ? scales.second : scales.first)[h], mins[i / 4 * halves_ + h]));
    }
    multiply(weights, x, offset, totals);
  }
}

/// Columns [begin, end) of the pass; the columns behind the last whole step or group are written out one by one.
TileEmitter::Values TileEmitter::floatWeights(const TilePlace &place, Values totals) {
  int64_t whole = shape_.k / kColumnsPerIter * kColumnsPerIter;
  Value begin = k_.mul(place.groupBegin, kQuantGroup);
  Value end = k_.minSI(k_.mul(place.groupEnd, kQuantGroup), k_.c(whole));
  totals = k_.forLoop(begin, end, kColumnsPerIter, totals, [&](Value column, ValueRange carried) {
    Values next(carried.begin(), carried.end());
    floatColumns(place, column, kColumnsPerIter, next);
    return next;
  });
  return lastPass(place, shape_.k != whole, totals,
                  [&](Values &last) { floatColumns(place, k_.c(whole), shape_.k - whole, last); });
}

TileEmitter::Values TileEmitter::quantizedWeights(const TilePlace &place, Values totals) {
  int64_t whole = shape_.k / kQuantGroup, rest = shape_.k % kQuantGroup;
  Value end = k_.minSI(place.groupEnd, k_.c(whole));
  totals = k_.forLoop(place.groupBegin, end, 1, totals, [&](Value group, ValueRange carried) {
    return k_.forLoop(k_.c(0), k_.c(codeLines(shape_.layout)), 1, carried, [&](Value line, ValueRange inner) {
      Values next(inner.begin(), inner.end());
      floatLine(place, group, line, kQuantGroup, next);
      return next;
    });
  });
  return lastPass(place, rest != 0, totals, [&](Values &last) {
    for (int64_t line = 0; line * 4 < rest && line < codeLines(shape_.layout); ++line)
      floatLine(place, k_.c(whole), k_.c(line), rest - line * 4, last);
  });
}

/// Adds what `body` adds, in the pass that ends with the last group only.
TileEmitter::Values TileEmitter::lastPass(const TilePlace &place, bool needed, Values totals,
                                          llvm::function_ref<void(Values &)> body) {
  if (!needed)
    return totals;
  Value isLast = k_.equal(place.groupEnd, k_.c(shape_.groups()));
  llvm::SmallVector<Type> types(totals.size(), floats());
  return k_.ifElse(
      isLast, types,
      [&] {
        Values last = totals;
        body(last);
        return last;
      },
      [&] { return totals; });
}

/// Rows of x hold bf16, the odd column of each pair first, as the panel's lines do. A row's sums are one chain whatever
/// the tile, so that a row has the same bits in any of them.
void TileEmitter::emitPairs(const TilePlace &place) {
  constexpr int64_t kColumns = 8;
  VectorType pairs = k_.vec(2 * lanes_, k_.bf16());
  Value begin = k_.mul(place.groupBegin, kQuantGroup);
  Value end = k_.minSI(k_.mul(place.groupEnd, kQuantGroup), k_.c(shape_.k));
  Values totals = k_.forLoop(begin, end, kColumns, loadTotals(place), [&](Value column, ValueRange carried) {
    Values next(carried.begin(), carried.end()), lines;
    for (const TilePlace &panel : panelsOf(place))
      lines.push_back(k_.address(panel.weights, k_.mul(column, kPanelRows * 2)));
    Value x = k_.address(place.x, k_.mul(column, 2));
    for (int64_t i = 0; i < kColumns / 2; ++i) {
      Values weights;
      for (Value line : lines) {
        if (config_.prefetchBytes)
          k_.prefetch(line, Value(), config_.prefetchBytes + i * kLineBytes);
        weights.push_back(k_.load(pairs, line, Value(), i * kLineBytes, kLineBytes));
      }
      for (int64_t row = 0; row < config_.tileRows; ++row) {
        Value a = k_.bitcast(k_.loadSplat(k_.i32(), lanes_, x, Value(), row * xStride_ + i * 4), pairs);
        for (int64_t panel = 0; panel < std::ssize(weights); ++panel) {
          Value &total = next[sumIndex(row, panel)];
          total = k_.intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", floats(), {total, weights[panel], a});
        }
      }
    }
    return next;
  });
  storeTotals(place, totals);
}

void emitRoundedRows(KernelBuilder &k, const MatmulShape &shape, Value x, Value rows, Value out, int64_t stride) {
  llvm::SmallVector<int64_t> swapped;
  for (int64_t i = 0; i < 16; ++i)
    swapped.push_back(i ^ 1);
  k.forEach(k.c(0), rows, 1, [&](Value row) {
    Value from = k.address(x, k.mul(row, shape.xStride())), to = k.address(out, k.mul(row, stride));
    k.forEach(k.c(0), k.c(shape.k), 16, [&](Value column) {
      Value values = k.load(k.vec(16, k.f32()), from, k.mul(column, 4), 0, 64);
      Value rounded = arith::TruncFOp::create(k.b(), k.vec(16, k.bf16()), values);
      k.store(vector::ShuffleOp::create(k.b(), rounded, rounded, swapped), to, k.mul(column, 2), 0, 32);
    });
  });
}

void TileEmitter::emitFloat(const TilePlace &place) {
  const int64_t width = config_.tilePanels * config_.tileRows * halves_;
  Values totals = loadTotals(place);
  totals.resize(chains() * width, k_.constant(floats(), 0.0));
  totals = isQuantized(shape_.layout) ? quantizedWeights(place, totals) : floatWeights(place, totals);
  for (int64_t count = chains(); count > 1; count /= 2)
    for (int64_t i = 0; i < count / 2 * width; ++i)
      totals[i] = k_.addF(totals[i], totals[i + count / 2 * width]);
  totals.resize(width);
  storeTotals(place, totals);
}

} // namespace llmc
