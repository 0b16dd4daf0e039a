// Two passes over a row's scales, or a panel's mins: the largest gives the unit, then all are expressed in it.
#include "codegen/cpu/matmul/RowScales.h"

#include "codegen/cpu/matmul/GroupScales.h"
#include "codegen/cpu/region/Lanes.h"
#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc {

Value inverseUnit(KernelBuilder &k, Value unit) {
  return k.divF(k.constant(unit.getType(), 1.0), k.maxF(unit, k.constant(unit.getType(), 1.0e-37)));
}

namespace {

constexpr double kLargest = 32767, kLargestCode = 127;

class RowScales {
public:
  RowScales(KernelBuilder &k, const MatmulShape &shape, bool words, Value row, Value out)
      : k_(k), layout_(shape), order_(shape), words_(words), groups_(shape.groups()), asymmetric_(shape.asymmetric()),
        few_(!shape.manyRows()), out_(out),
        scales_(k.address(row, Value(), static_cast<int64_t>(rt::quantizedScalesAt(shape.k)))),
        biases_(k.address(row, Value(), static_cast<int64_t>(rt::quantizedBiasesAt(shape.k)))) {}

  void emit() {
    const bool wide = words_ && order_.wide;
    Value unit = k_.mulF(largest(scales_, 2 * groups_), k_.constant(k_.f32(), (wide ? kLargestCode : 1.0) / kLargest));
    k_.store(unit, out_, Value(), layout_.unit, 4);
    if (wide)
      return;
    Value perUnit = inverseUnit(k_, unit), perBias = perUnit;
    if (asymmetric_ && !few_) {
      Value biasUnit = k_.mulF(largest(biases_, groups_), k_.constant(k_.f32(), 1.0 / minSumLargest(groups_)));
      k_.store(k_.mulF(biasUnit, perUnit), out_, Value(), layout_.unit + 4, 4);
      perBias = inverseUnit(k_, biasUnit);
    }
    // Whole vectors: what lies past a part's end is read from the padding of the row and written to that of `out`.
    store(scales_, 2 * groups_, perUnit, 0, words_ && order_.parts == 2 ? As::Twice : As::Word);
    if (asymmetric_ || !words_)
      store(biases_, groups_, perBias, layout_.biases, !asymmetric_ ? As::Dword : few_ ? As::Float : As::Word);
  }

private:
  /// Largest magnitude of `count` floats. What lies past them must not count.
  Value largest(Value floats, int64_t count) {
    const int64_t whole = count / 16 * 16;
    VectorType type = k_.vec(16, k_.f32());
    auto magnitudes = [&](Value i) -> Value {
      return math::AbsFOp::create(k_.b(), k_.load(type, floats, k_.mul(i, 4), 0, 4));
    };
    Value zero = k_.constant(type, 0.0);
    Value most = whole == count ? zero : keepFirst(k_, magnitudes(k_.c(whole)), count - whole, zero);
    auto join = [&](Value i, ValueRange carried) { return KernelBuilder::Values{k_.maxF(carried[0], magnitudes(i))}; };
    return k_.reduceMax(k_.forLoop(k_.c(0), k_.c(whole), 16, {most}, join)[0]);
  }

  enum class As { Word, Dword, Twice, Float }; ///< i16, i32, the same i16 twice, not rounded

  /// Floats as multiples of a unit at `at` of `out`.
  void store(Value floats, int64_t count, Value perUnit, int64_t at, As as) {
    Value lanes = k_.splat(perUnit, 16);
    k_.forEach(k_.c(0), k_.c(count), 16, [&](Value i) {
      Value v = k_.mulF(k_.load(k_.vec(16, k_.f32()), floats, k_.mul(i, 4), 0, 4), lanes);
      if (as != As::Float)
        v = roundToInt(k_, v);
      if (as == As::Word)
        v = arith::TruncIOp::create(k_.b(), k_.vec(16, k_.b().getI16Type()), v);
      if (as == As::Twice) // none is negative
        v = arith::OrIOp::create(k_.b(), v, arith::ShLIOp::create(k_.b(), v, k_.constant(v.getType(), 16)));
      k_.store(v, out_, k_.mul(i, as == As::Word ? 2 : 4), at, 2);
    });
  }

  KernelBuilder &k_;
  RowScalesLayout layout_;
  WordLayout order_;
  bool words_;
  int64_t groups_;
  bool asymmetric_, few_;
  Value out_, scales_, biases_;
};

} // namespace

/// Mins of groups 2i and 2i + 1 of the panel's 16 rows, f32, with what a center (WordLayout) took from every code.
static std::pair<Value, Value> minPair(KernelBuilder &k, const MatmulShape &shape, Value panel, Value i) {
  Layout layout = shape.layout;
  const int64_t center = WordLayout(shape).center;
  Value block = k.address(panel, k.mul(i, superblockBytes(layout)), headerBytes(layout, shape.k));
  Value header = k.address(panel, k.mul(k.divUI(i, kScaleBlock / kSuperblockCols), headerBlockBytes(layout)));
  auto mins = [&](int64_t half) {
    int64_t at = minsOffset(layout) + half * kPanelRows * scaleBytes(layout);
    Value min = loadScales(k, layout, {block, header, at, 2 * kPanelRows, {}}, 0, kPanelRows);
    if (center == 0)
      return min;
    const int64_t scalesAt = scalesOffset(layout) + half * kPanelRows * scaleBytes(layout);
    Value scale = loadScales(k, layout, {block, header, scalesAt, 0, {}}, 0, kPanelRows);
    return k.fma(scale, k.constant(scale.getType(), static_cast<double>(center)), min);
  };
  return {mins(0), mins(1)};
}

void emitMinSumWeights(KernelBuilder &k, const MatmulShape &shape, Value panel, Value out) {
  VectorType floats = k.vec(16, k.f32());
  Value pairs = k.c(shape.groups() / 2);
  auto most = k.forLoop(k.c(0), pairs, 1, {k.constant(floats, 0.0)}, [&](Value i, ValueRange carried) {
    auto [first, second] = minPair(k, shape, panel, i);
    Value both = k.maxF(math::AbsFOp::create(k.b(), first), math::AbsFOp::create(k.b(), second));
    return KernelBuilder::Values{k.maxF(carried[0], both)};
  });
  Value unit = k.mulF(most[0], k.constant(floats, 1.0 / minSumLargest(shape.groups())));
  k.store(unit, out, Value(), minSumUnitsAt(shape), 64);
  Value perUnit = inverseUnit(k, unit);
  VectorType ints = k.vec(16, k.i32());
  k.forEach(k.c(0), pairs, 1, [&](Value i) {
    auto [first, second] = minPair(k, shape, panel, i);
    Value low = arith::AndIOp::create(k.b(), roundToInt(k, k.mulF(first, perUnit)), k.constant(ints, 0xffff));
    Value high = arith::ShLIOp::create(k.b(), roundToInt(k, k.mulF(second, perUnit)), k.constant(ints, 16));
    k.store(arith::OrIOp::create(k.b(), low, high), out, k.mul(i, kLineBytes), 0, 64);
  });
}

void emitRowScales(KernelBuilder &k, const MatmulShape &shape, bool words, Value x, Value rows, Value out) {
  RowScalesLayout layout(shape);
  k.forEach(k.c(0), rows, 1, [&](Value row) {
    Value from = k.address(x, k.mul(row, shape.xStride())), to = k.address(out, k.mul(row, layout.stride));
    RowScales(k, shape, words, from, to).emit();
  });
}

} // namespace llmc
