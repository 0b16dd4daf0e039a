// What IntWords.cpp multiplies, made once a row block (rows of x) or once a pass over a panel (codes). WordLayout has
// the sizes. A line is one step: 16 dwords, one for each row of the panel; a row of x has as many dwords a group.
//   4, 5 bits  bytes c, c + 1, c + 16, c + 17 of a group of 32 columns: the words of a sum are its halves
//   6 bits     bytes c, c + 1, c + 8, c + 9 of a part of 16 columns: a sum of more than 8 does not fit 16 bits
//   8 bits     words c, c + 2: what shifts of 16-bit lanes leave side by side
#include "codegen/cpu/matmul/TileEmitter.h"

#include "codegen/cpu/matmul/RowScales.h"
#include "codegen/cpu/region/Lanes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace llmc {

/// Splits the codes of one group and half of the lanes into the lines of its steps, line i at `out` + i * 64.
void TileEmitter::unpackWords(const Group &group, int64_t half, Value out) {
  auto constant = [&](int64_t value) { return k_.constant(ints(), static_cast<double>(value)); };
  auto masked = [&](Value v, int64_t mask) -> Value { return arith::AndIOp::create(k_.b(), v, constant(mask)); };
  auto right = [&](Value v, int64_t bits) -> Value { return arith::ShRUIOp::create(k_.b(), v, constant(bits)); };
  auto left = [&](Value v, int64_t bits) -> Value { return arith::ShLIOp::create(k_.b(), v, constant(bits)); };
  auto store = [&](int64_t line, Value low, Value high) {
    k_.store(arith::OrIOp::create(k_.b(), low, high), out, Value(), line * kLineBytes + half * lanes_ * 4, 32);
  };
  Values lines = codeLinesOf(group, half);
  if (!shape_.hasUpperBits()) { // a byte has columns c and c + 16
    VectorType words = k_.vec(lanes_ * 2, k_.b().getI16Type());
    llvm::SmallVector<int64_t> blend; // even words of the first, odd ones of the second
    for (int64_t i = 0; i < lanes_ * 2; ++i)
      blend.push_back(i % 2 == 0 ? i : lanes_ * 2 + i);
    auto storeNibbles = [&](int64_t line, Value even, Value odd) {
      Value both = vector::ShuffleOp::create(k_.b(), k_.bitcast(even, words), k_.bitcast(odd, words), blend);
      k_.store(masked(k_.bitcast(both, ints()), 0x0f0f0f0f), out, Value(), line * kLineBytes + half * lanes_ * 4, 32);
    };
    for (auto [i, line] : llvm::enumerate(lines)) {
      Value codes = k_.bitcast(line, ints());
      const int64_t at = 2 * static_cast<int64_t>(i);
      storeNibbles(at, codes, left(codes, 12));
      storeNibbles(at + 1, right(codes, 16), right(codes, 4));
    }
    return;
  }
  const Values upper = upperBits(group, half);
  Values codes;
  for (int64_t step = 0; step < 8; ++step)
    codes.push_back(k_.bitcast(withUpper(nibble(lines[step % 4], step >= 4), upper, step), ints()));
  const int64_t parts = WordLayout(shape_).parts, apart = 4 / parts;
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t i = 0; i < apart; ++i) {
      Value first = codes[part * 4 + i], last = codes[part * 4 + i + apart];
      const int64_t at = part * 4 + 2 * i;
      store(at, masked(first, 0xffff), left(last, 16));
      store(at + 1, right(first, 16), masked(last, -65536));
    }
}

/// Codes of 8 bits as 16-bit numbers.
void TileEmitter::unpackWide(const Group &group, int64_t half, Value out) {
  VectorType words = k_.vec(lanes_ * 2, k_.b().getI16Type());
  Value eight = k_.constant(words, 8);
  for (auto [i, line] : llvm::enumerate(codeLinesOf(group, half))) {
    Value codes = k_.bitcast(arith::XOrIOp::create(k_.b(), line, k_.constant(bytes(), -128)), words);
    Value even = arith::ShRSIOp::create(k_.b(), arith::ShLIOp::create(k_.b(), codes, eight), eight);
    const int64_t at = 2 * static_cast<int64_t>(i) * kLineBytes + half * lanes_ * 4;
    k_.store(even, out, Value(), at, 32);
    k_.store(arith::ShRSIOp::create(k_.b(), codes, eight), out, Value(), at + kLineBytes, 32);
  }
}

void TileEmitter::emitUnpackWords(const TilePlace &place) {
  const WordLayout words(shape_);
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    Group group = groupAt(place, g);
    Value out = k_.address(place.unpacked, k_.mul(k_.sub(g, place.groupBegin), words.groupBytes));
    for (int64_t h = 0; h < halves_; ++h)
      words.wide ? unpackWide(group, h, out) : unpackWords(group, h, out);
    for (int64_t part = 0; part < words.parts; ++part)
      for (auto [h, scales] : llvm::enumerate(groupScales(group, part)))
        k_.store(scales, out, Value(), words.codeBytes + part * kLineBytes + static_cast<int64_t>(h) * lanes_ * 4, 32);
  });
}

namespace {

/// Rows of int8 in the order of words.
class WordRows {
public:
  WordRows(KernelBuilder &k, const MatmulShape &shape)
      : k_(k), shape_(shape), words_(shape), scales_(shape), word_(k.b().getI16Type()) {}

  /// One group of 32 columns at `x` to `out`; `starts`: of its first part.
  void turn(Value x, Value out, Value starts) {
    Value first = k_.load(k_.vec(8, word_), x, Value(), 0, 16), last = k_.load(k_.vec(8, word_), x, Value(), 16, 16);
    llvm::SmallVector<int64_t> turns;
    for (int64_t i = 0; i < 8; ++i) {
      if (words_.parts == 1)
        turns.append({i, i + 8});
      else
        turns.append({i / 4 * 8 + i % 4, i / 4 * 8 + i % 4 + 4});
    }
    Value turned = vector::ShuffleOp::create(k_.b(), first, last, turns);
    k_.store(turned, out, Value(), 0, 16);
    if (words_.center == 0)
      return;
    VectorType bytes = k_.vec(32, k_.i8());
    Value sums = k_.intrinsic("llvm.x86.avx2.pmadd.ub.sw", k_.vec(16, word_),
                              {k_.constant(bytes, 1), k_.bitcast(turned, bytes)});
    for (int64_t part = 0; part < words_.parts; ++part) {
      Value both = sumOfPairs(sums, part * 8, 16 / words_.parts);
      Value factor = k_.constant(both.getType(), static_cast<double>(-words_.center));
      k_.store(arith::MulIOp::create(k_.b(), both, factor), starts, Value(), part * 4, 4);
    }
  }

  /// 16 columns at `x`, times `factor`, rounded to 16 bits.
  void widen(Value x, Value factor, Value out) {
    VectorType ints = k_.vec(16, k_.i32()), floats = k_.vec(16, k_.f32());
    Value codes = arith::ExtSIOp::create(k_.b(), ints, k_.load(k_.vec(16, k_.i8()), x, Value(), 0, 16));
    Value scaled = k_.mulF(arith::SIToFPOp::create(k_.b(), floats, codes), k_.splat(factor, 16));
    Value rounded = arith::TruncIOp::create(k_.b(), k_.vec(16, word_), roundToInt(k_, scaled));
    llvm::SmallVector<int64_t> turns;
    for (int64_t i = 0; i < 16; i += 4)
      turns.append({i, i + 2, i + 1, i + 3});
    k_.store(vector::ShuffleOp::create(k_.b(), rounded, rounded, turns), out, Value(), 0, 32);
  }

  void row(Value from, Value prepared, Value to) {
    const int64_t groups = shape_.groups();
    if (!words_.wide)
      return k_.forEach(k_.c(0), k_.c(groups), 1, [&](Value g) {
        turn(k_.address(from, k_.mul(g, kQuantGroup)), k_.address(to, k_.mul(g, words_.xBytes)),
             k_.address(prepared, k_.mul(g, 4 * words_.parts), scales_.starts));
      });
    Value perUnit = inverseUnit(k_, k_.load(k_.f32(), prepared, Value(), scales_.unit, 4));
    Value scales = k_.address(from, Value(), static_cast<int64_t>(rt::quantizedScalesAt(shape_.k)));
    constexpr auto kShared = static_cast<int64_t>(rt::kActivationGroup);
    k_.forEach(k_.c(0), k_.c(groups * kQuantGroup), kShared, [&](Value column) {
      Value scale = k_.load(k_.f32(), scales, k_.mul(k_.divUI(column, kShared), 4), 0, 4);
      widen(k_.address(from, column), k_.mulF(scale, perUnit), k_.address(to, k_.mul(column, 2)));
    });
  }

private:
  /// Of `count` words from word `first` on, the sum of those at even and of those at odd places.
  Value sumOfPairs(Value words, int64_t first, int64_t count) {
    auto part = [&](Value from, int64_t begin, int64_t size) -> Value {
      llvm::SmallVector<int64_t> places;
      for (int64_t i = 0; i < size; ++i)
        places.push_back(begin + i);
      return vector::ShuffleOp::create(k_.b(), from, from, places);
    };
    words = part(words, first, count);
    for (; count > 2; count /= 2)
      words = k_.add(part(words, 0, count / 2), part(words, count / 2, count / 2));
    return words;
  }

  KernelBuilder &k_;
  const MatmulShape &shape_;
  WordLayout words_;
  RowScalesLayout scales_;
  Type word_;
};

} // namespace

void emitWordRows(KernelBuilder &k, const MatmulShape &shape, Value x, Value rows, Value prepared, Value out,
                  int64_t stride) {
  WordRows words(k, shape);
  k.forEach(k.c(0), rows, 1, [&](Value row) {
    words.row(k.address(x, k.mul(row, shape.xStride())), k.address(prepared, k.mul(row, RowScalesLayout(shape).stride)),
              k.address(out, k.mul(row, stride)));
  });
}

} // namespace llmc
