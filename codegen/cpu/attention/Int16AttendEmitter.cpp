// Rounding and interleaving of queries, keys and values to 16-bit integers.
#include "codegen/cpu/attention/Int16AttendEmitter.h"

#include "codegen/cpu/region/Lanes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "runtime/format/kernel_abi.h"
#include <cmath>

using namespace mlir;

namespace llmc {

/// Of halves: all but the sign. As integers NaN is above all numbers, so that a maximum of them keeps it.
static constexpr double kMagnitude = 0x7fff;

double Int16AttendEmitter::largestOfDimensions() const {
  return std::floor(std::sqrt(2147483647.0 / static_cast<double>(shape_.headDim)));
}

void Int16AttendEmitter::packQueries(const AttendItem &item) {
  const int64_t dim = shape_.headDim;
  forEachQuery(k_, shape_, words_, item, [&](Value query, Value row) {
    const QueryUnit unit = queryUnit(k_, query, dim, largestOfDimensions(), queryScale());
    k_.store(unit.factor, words_.scratch, k_.mul(row, 4), at_.queryFactors, 4);
    for (int64_t d = 0; d < dim; d += 16) {
      Value rounded = roundToInt(k_, k_.mulF(k_.load(k_.vec(16, k_.f32()), query, Value(), d * 4, 4), unit.inverse));
      k_.store(arith::TruncIOp::create(k_.b(), k_.vec(16, k_.b().getI16Type()), rounded), words_.scratch,
               k_.mul(row, dim * 2), at_.queries + d * 2, 4);
    }
  });
}

Value Int16AttendEmitter::codes(Value halves, Value inverse) {
  return roundToInt(k_, k_.mulF(k_.extF(k_.bitcast(halves, k_.vec(16, k_.f16()))), inverse));
}

Value Int16AttendEmitter::interleave(Value low, Value high) {
  VectorType words = k_.vec(32, k_.b().getI16Type());
  llvm::SmallVector<int64_t> order; // even words of the first, odd ones of the second
  for (int64_t i = 0; i < 32; ++i)
    order.push_back(i % 2 == 0 ? i : 32 + i);
  Value shifted = arith::ShLIOp::create(k_.b(), high, k_.constant(high.getType(), 16));
  Value both = vector::ShuffleOp::create(k_.b(), k_.bitcast(low, words), k_.bitcast(shifted, words), order);
  return k_.bitcast(both, k_.vec(16, k_.i32()));
}

/// Pages of keys are [D][16]: dimensions d and d + 1 are neighbouring lines. Keys past `live` in the last page are
/// whatever the page holds, hidden by the softmax.
void Int16AttendEmitter::packKeys(Value block, Value live) {
  const int64_t line = shape_.lineBytes();
  const double largest = largestOfDimensions();
  VectorType halves = k_.vec(16, k_.b().getI16Type()), f32x16 = k_.vec(16, k_.f32());
  k_.forEach(k_.c(0), live, kPage, [&](Value key) {
    Value page = pageAddress(block, key, 0, shape_.headBytes()), target = k_.mul(key, 4);
    Value none = k_.constant(halves, 0);
    Values most = k_.forLoop(k_.c(0), k_.c(shape_.headDim), 2, {none, none}, [&](Value d, ValueRange carried) {
      Values next(carried);
      for (int64_t u = 0; u < 2; ++u) {
        Value bits = k_.load(halves, page, k_.mul(d, line), u * line, 32);
        bits = arith::AndIOp::create(k_.b(), bits, k_.constant(halves, kMagnitude));
        next[u] = arith::MaxUIOp::create(k_.b(), next[u], bits);
      }
      return next;
    });
    Value top = k_.extF(k_.bitcast(arith::MaxUIOp::create(k_.b(), most[0], most[1]), k_.vec(16, k_.f16())));
    k_.store(k_.mulF(top, k_.constant(f32x16, 1.0 / largest)), words_.scratch, target, at_.keyFactors, 4);
    // Not zero: 2^-24 is the smallest of halves.
    Value inverse = k_.divF(k_.constant(f32x16, largest), k_.maxF(top, k_.constant(f32x16, std::exp2(-24))));
    k_.forEach(k_.c(0), k_.c(shape_.headDim), 2, [&](Value d) {
      Value low = codes(k_.load(halves, page, k_.mul(d, line), 0, 32), inverse);
      Value high = codes(k_.load(halves, page, k_.mul(d, line), line, 32), inverse);
      k_.store(interleave(low, high), words_.scratch, k_.add(target, k_.mul(d, kBlock * 2)), at_.keys, 4);
    });
  });
}

/// Stores the factor of the values of key `key` of `page`, number `index` of the block; returns its inverse, 16 lanes.
Value Int16AttendEmitter::packFactor(Value page, Value key, Value index) {
  VectorType halves = k_.vec(16, k_.b().getI16Type());
  Value row = k_.address(page, k_.mul(key, shape_.rowBytes())), most;
  for (int64_t column = 0; column < shape_.headDim; column += 16) {
    Value bits = k_.load(halves, row, Value(), column * 2, 32);
    bits = arith::AndIOp::create(k_.b(), bits, k_.constant(halves, kMagnitude));
    most = most ? arith::MaxUIOp::create(k_.b(), most, bits) : bits;
  }
  Value bits = k_.intrinsic("llvm.vector.reduce.umax", k_.b().getI16Type(), most);
  Value top = k_.extF(arith::BitcastOp::create(k_.b(), k_.f16(), bits));
  k_.store(k_.mulF(top, k_.constant(k_.f32(), 1.0 / kLargestValue)), words_.scratch, k_.mul(index, 4), at_.valueFactors,
           4);
  Value least = k_.constant(k_.f32(), std::exp2(-24));
  return k_.splat(k_.divF(k_.constant(k_.f32(), kLargestValue), k_.maxF(top, least)), 16);
}

/// Pages of values are [16][D]. The partner of an odd last key is that key again: its weight is 0, and what follows in
/// the page may be NaN.
void Int16AttendEmitter::packValues(Value block, Value live) {
  const int64_t dim = shape_.headDim;
  VectorType halves = k_.vec(16, k_.b().getI16Type());
  k_.forEach(k_.c(0), live, kPage, [&](Value firstKey) {
    Value page = pageAddress(block, firstKey, shape_.valuesAt(), shape_.headBytes());
    Value count = k_.minSI(k_.sub(live, firstKey), k_.c(kPage)), last = k_.add(count, -1);
    k_.forEach(k_.c(0), count, 2, [&](Value key) {
      Value partner = k_.minSI(k_.add(key, 1), last), index = k_.add(firstKey, key);
      Value evenInverse = packFactor(page, key, index), oddInverse = packFactor(page, partner, k_.add(index, 1));
      Value even = k_.address(page, k_.mul(key, shape_.rowBytes()));
      Value odd = k_.address(page, k_.mul(partner, shape_.rowBytes()));
      for (int64_t column = 0; column < dim; column += 16) {
        Value low = codes(k_.load(halves, even, Value(), column * 2, 32), evenInverse);
        Value high = codes(k_.load(halves, odd, Value(), column * 2, 32), oddInverse);
        k_.store(interleave(low, high), words_.scratch, k_.mul(index, dim * 2), at_.values + column * 4, 4);
      }
    });
  });
}

} // namespace llmc
