// Two passes over a row's scales: the largest gives the unit, then scales and biases are expressed in it.
#include "codegen/cpu/matmul/RowScales.h"

#include "runtime/format/kernel_abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace llmc {
namespace {

constexpr double kLargest = 32767;

class RowScales {
public:
  RowScales(KernelBuilder &k, const MatmulShape &shape, Value row, Value out)
      : k_(k), layout_(shape), groups_(shape.groups()), asymmetric_(shape.asymmetric()), out_(out),
        scales_(k.address(row, Value(), static_cast<int64_t>(rt::quantizedScalesAt(shape.k)))),
        biases_(k.address(row, Value(), static_cast<int64_t>(rt::quantizedBiasesAt(shape.k)))) {}

  void emit() {
    Value largest = largestScale();
    Value unit = k_.mulF(largest, k_.constant(k_.f32(), 1.0 / kLargest));
    k_.store(unit, out_, Value(), layout_.unit, 4);
    // A row of zeros has no scale; its sums are zero whatever the inverse is.
    Value inverse = k_.divF(k_.constant(k_.f32(), 1.0), k_.maxF(unit, k_.constant(k_.f32(), 1.0e-37)));
    Value lanes = k_.splat(inverse, 16);
    // Whole vectors: what lies past a part's end is read from the padding of the row and written to that of `out`.
    k_.forEach(k_.c(0), k_.c(2 * groups_), 16, [&](Value i) { storeScales(i, lanes); });
    k_.forEach(k_.c(0), k_.c(groups_), 16, [&](Value i) { storeBiases(i, lanes); });
  }

private:
  Value largestScale() {
    int64_t count = 2 * groups_, whole = count / 16 * 16;
    auto loopMax = [&](int64_t begin, int64_t end, int64_t lanes) {
      VectorType type = k_.vec(lanes, k_.f32());
      auto result = k_.forLoop(k_.c(begin), k_.c(end), lanes, {k_.constant(type, 0.0)}, [&](Value i, ValueRange most) {
        return KernelBuilder::Values{k_.maxF(most[0], k_.load(type, scales_, k_.mul(i, 4), 0, 4))};
      });
      return k_.reduceMax(result[0]);
    };
    // Padding must not count: the tail goes by fours, and groups come in pairs.
    Value tail = loopMax(whole, count, 4);
    return whole ? k_.maxF(loopMax(0, whole, 16), tail) : tail;
  }

  Value rounded(Value v) {
    return arith::FPToSIOp::create(k_.b(), k_.vec(16, k_.i32()), math::RoundEvenOp::create(k_.b(), v));
  }

  void storeScales(Value i, Value inverse) {
    Value v = k_.mulF(k_.load(k_.vec(16, k_.f32()), scales_, k_.mul(i, 4), 0, 4), inverse);
    Value small = arith::TruncIOp::create(k_.b(), k_.vec(16, k_.b().getI16Type()), rounded(v));
    k_.store(small, out_, k_.mul(i, 2), 0, 2);
  }

  void storeBiases(Value i, Value inverse) {
    Value v = k_.mulF(k_.load(k_.vec(16, k_.f32()), biases_, k_.mul(i, 4), 0, 4), inverse);
    k_.store(asymmetric_ ? v : rounded(v), out_, k_.mul(i, 4), layout_.biases, 4);
  }

  KernelBuilder &k_;
  RowScalesLayout layout_;
  int64_t groups_;
  bool asymmetric_;
  Value out_, scales_, biases_;
};

} // namespace

void emitRowScales(KernelBuilder &k, const MatmulShape &shape, Value x, Value rows, Value out) {
  RowScalesLayout layout(shape);
  k.forEach(k.c(0), rows, 1, [&](Value row) {
    Value from = k.address(x, k.mul(row, shape.xStride())), to = k.address(out, k.mul(row, layout.stride));
    RowScales(k, shape, from, to).emit();
  });
}

} // namespace llmc
