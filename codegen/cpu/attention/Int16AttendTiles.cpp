// The inner parts of attention in 16-bit integers: scores of six rows, weights of a row, weighted values of six rows.
// 12 sums leave LLVM's scheduler four registers, so pairs come in order; a loop takes several of them, as its own
// instructions are a tenth of a pair's.
#include "codegen/cpu/attention/Int16AttendEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace llmc {

Value Int16AttendEmitter::dot(Value acc, Value a, Value b) {
  VectorType words = k_.vec(2 * kLanes, k_.b().getI16Type());
  a = k_.bitcast(a, words);
  b = k_.bitcast(b, words);
  if (k_.level().vnni)
    return k_.intrinsic("llvm.x86.avx512.vpdpwssd.256", acc.getType(), {acc, a, b});
  return k_.add(acc, k_.intrinsic("llvm.x86.avx2.pmadd.wd", acc.getType(), {a, b}));
}

/// Sums over `count` elements, rounded up to unrolled(), of rows x columns, [row * 2 + half of the columns].
Int16AttendEmitter::Values Int16AttendEmitter::emitProducts(Value count, Matrix columns, Matrix rows) {
  VectorType ints = k_.vec(kLanes, k_.i32());
  Values zeros(kRows * 2, k_.constant(ints, 0));
  return k_.forLoop(k_.c(0), count, unrolled(), zeros, [&](Value element, ValueRange carried) {
    Values sums(carried);
    Value pair = k_.address(columns.at, k_.mul(element, columns.stride / 2));
    Value row = k_.address(rows.at, k_.mul(element, 2));
    for (int64_t u = 0; u < unrolled(); u += 2) {
      Values halves;
      for (int64_t h = 0; h < 2; ++h)
        halves.push_back(k_.load(ints, pair, Value(), u / 2 * columns.stride + h * kRegister, 4));
      for (int64_t i = 0; i < kRows * 2; i += 2) {
        Value both = k_.loadSplat(k_.i32(), kLanes, row, Value(), i / 2 * rows.stride + u * 2);
        sums[i] = dot(sums[i], halves[0], both);
        sums[i + 1] = dot(sums[i + 1], halves[1], both);
      }
      for (Value &sum : sums)
        sum = k_.inOrder(sum);
    }
    return sums;
  });
}

/// scores[row][key] for 16 keys at a time: 6 rows x 2 registers.
void Int16AttendEmitter::emitScores(const Tile &tile) {
  const int64_t dim = shape_.headDim;
  VectorType floats = k_.vec(kLanes, k_.f32());
  Value queries = k_.address(words_.scratch, k_.mul(tile.firstRow, dim * 2), at_.queries);
  Value queryFactors = k_.address(words_.scratch, k_.mul(tile.firstRow, 4), at_.queryFactors);
  k_.forEach(k_.c(0), tile.visible, 16, [&](Value key) {
    Value keys = k_.address(words_.scratch, k_.mul(key, 4), at_.keys);
    Values sums = emitProducts(k_.c(dim), {keys, kBlock * 4}, {queries, dim * 2});
    Values factors;
    for (int64_t h = 0; h < 2; ++h)
      factors.push_back(k_.load(floats, words_.scratch, k_.mul(key, 4), at_.keyFactors + h * kRegister, 4));
    for (int64_t i = 0; i < kRows * 2; ++i) {
      Value factor = k_.mulF(factors[i % 2], k_.loadSplat(k_.f32(), kLanes, queryFactors, Value(), i / 2 * 4));
      Value score = k_.mulF(arith::SIToFPOp::create(k_.b(), floats, sums[i]), factor);
      k_.store(score, words_.scratch, k_.mul(key, 4), at_.scores + i / 2 * kBlock * 4 + i % 2 * kRegister, 4);
    }
  });
}

/// 2^x = 2^n * 2^f with n = round(x): n goes into the exponent of a polynomial in f of relative error 3e-6. Below -126
/// it is 2^-126.
Value Int16AttendEmitter::exp2(Value x) {
  Type type = x.getType(), ints = k_.vec(16, k_.i32());
  x = k_.maxF(k_.constant(type, -126.0), x); // in this order a NaN stays
  if (shape_.softcap > 0)
    x = k_.minF(k_.constant(type, 127.0), x);
  Value n = roundToInt(k_, x), f = k_.subF(x, arith::SIToFPOp::create(k_.b(), type, n));
  Value p = k_.constant(type, 0.009570102014640314);
  for (double coefficient : {0.05591786030632667, 0.24024744824991404, 0.6931218147429865, 0.9999992614469312})
    p = k_.fma(p, f, k_.constant(type, coefficient));
  Value exponent = arith::ShLIOp::create(k_.b(), n, k_.constant(ints, 23));
  return k_.bitcast(arith::AddIOp::create(k_.b(), k_.bitcast(p, ints), exponent), type);
}

/// Weights times the factors of the values are rounded relative to 2^e, the power of two below the largest of them.
Value Int16AttendEmitter::addWeights(Value row, ValueRange scores, Value largest,
                                     const std::optional<VisibleKeys> &keys, Value total) {
  ImplicitLocOpBuilder &b = k_.b();
  VectorType floats = k_.vec(16, k_.f32()), ints = k_.vec(16, k_.i32());
  Values scaled;
  // Bits of numbers that are not negative are in the order of the numbers, and a NaN is above them. Not zero, so that
  // the factor's reciprocal is finite.
  Value most = k_.bitcast(k_.constant(floats, 1e-30), ints);
  for (auto [i, score] : llvm::enumerate(scores)) {
    const int64_t lane = static_cast<int64_t>(i) * 16;
    Value weight = exp2(k_.subF(score, largest));
    total = k_.addF(total, weight);
    weight = k_.mulF(weight, k_.load(floats, words_.scratch, Value(), at_.valueFactors + lane * 4, 4));
    // The factor of a value that does not exist may be anything.
    scaled.push_back(keys ? maskHidden(k_, *keys, weight, lane, 0.0) : weight);
    most = arith::MaxUIOp::create(b, most, k_.bitcast(scaled.back(), ints));
  }
  Value bits = k_.intrinsic("llvm.vector.reduce.umax", k_.i32(), most);
  auto constant = [&](int64_t value) { return arith::ConstantIntOp::create(b, static_cast<int32_t>(value), 32); };
  auto asFloat = [&](Value v) -> Value { return arith::BitcastOp::create(b, k_.f32(), v); };
  constexpr int64_t kShift = kWeightBits - 1;
  Value exponent = arith::AndIOp::create(b, bits, constant(0x7f800000));
  Value inverse = k_.splat(asFloat(k_.sub(constant((2 * 127 + kShift) << 23), exponent)), 16);
  for (auto [i, weight] : llvm::enumerate(scaled)) {
    Value rounded = roundToInt(k_, k_.mulF(weight, inverse));
    k_.store(arith::TruncIOp::create(b, k_.vec(16, b.getI16Type()), rounded), words_.scratch, k_.mul(row, kBlock * 2),
             at_.weights + static_cast<int64_t>(i) * 32, 4);
  }
  // What is NaN or infinite is so in the factor, too.
  Value top = asFloat(bits), factor = asFloat(k_.sub(exponent, constant(kShift << 23)));
  k_.store(k_.addF(factor, k_.subF(top, top)), words_.scratch, k_.mul(row, 4), at_.weightFactors, 4);
  return total;
}

/// sums[row][16 columns] += sum over visible keys of weights[row][key] * V[key][columns].
void Int16AttendEmitter::emitValues(const Tile &tile) {
  const int64_t dim = shape_.headDim;
  VectorType floats = k_.vec(kLanes, k_.f32());
  k_.forEach(k_.c(0), k_.c(dim), 16, [&](Value column) {
    Value values = k_.address(words_.scratch, k_.mul(column, 4), at_.values);
    Value weights = k_.address(words_.scratch, Value(), at_.weights);
    Values sums = emitProducts(tile.visible, {values, dim * 4}, {weights, kBlock * 2});
    Value target = k_.address(words_.scratch, k_.add(k_.mul(tile.firstRow, dim * 4), k_.mul(column, 4)), at_.sums);
    for (int64_t i = 0; i < kRows * 2; ++i) {
      Value factor = k_.loadSplat(k_.f32(), kLanes, words_.scratch, Value(), at_.weightFactors + i / 2 * 4);
      const int64_t at = i / 2 * dim * 4 + i % 2 * kRegister;
      Value sum = k_.load(floats, target, Value(), at, 4);
      k_.store(k_.fma(arith::SIToFPOp::create(k_.b(), floats, sums[i]), factor, sum), target, Value(), at, 4);
    }
  });
}

} // namespace llmc
