// Rounding and interleaving of queries, keys and values to bf16.
#include "codegen/cpu/attention/Bf16AttendEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

/// The scale goes into the queries before they are rounded.
void Bf16AttendEmitter::packQueries(const AttendItem &item) {
  int64_t dim = shape_.headDim, group = shape_.group();
  int64_t stride = static_cast<int64_t>(rt::rowStrideBytes(shape_.heads * dim * 4));
  VectorType f32x16 = k_.vec(16, k_.f32());
  Value scale = k_.constant(f32x16, queryScale());
  Value from = k_.address(words_.query, k_.mul(item.kvHead, group * dim * 4));
  k_.forEach(k_.c(0), item.tokenCount, 1, [&](Value token) {
    Value source = k_.mul(k_.add(item.firstToken, token), stride), target = k_.mul(token, group * dim * 2);
    k_.forEach(k_.c(0), k_.c(group * dim), 16, [&](Value column) {
      Value q = k_.mulF(k_.load(f32x16, from, k_.add(source, k_.mul(column, 4)), 0, 4), scale);
      Value rounded = arith::TruncFOp::create(k_.b(), k_.vec(16, k_.bf16()), q);
      k_.store(rounded, words_.scratch, k_.add(target, k_.mul(column, 2)), at_.queries, 2);
    });
  });
}

Value Bf16AttendEmitter::pack(Value first, Value second) {
  // The instruction's first operand is the high half.
  Value both = k_.intrinsic("llvm.x86.avx512bf16.cvtne2ps2bf16.512", k_.vec(32, k_.bf16()), {second, first});
  return k_.bitcast(both, k_.vec(16, k_.i32()));
}

Value Bf16AttendEmitter::interleave(Value low, Value high) {
  VectorType i16x32 = k_.vec(32, k_.b().getI16Type());
  Value halves = k_.bitcast(pack(low, high), i16x32);
  llvm::SmallVector<int64_t> order;
  for (int64_t i = 0; i < 16; ++i)
    order.append({i, 16 + i});
  Value mixed = vector::ShuffleOp::create(k_.b(), halves, halves, order);
  return k_.bitcast(mixed, k_.vec(16, k_.i32()));
}

/// Pages of keys are [D][16]: dimensions d and d + 1 are neighbouring lines. Keys past `live` in the last page are
/// whatever the page holds, hidden by the softmax.
void Bf16AttendEmitter::packKeys(Value block, Value live) {
  if (shape_.int8Cache)
    return packKeyCodes(block, live);
  int64_t line = shape_.lineBytes();
  VectorType f16x16 = k_.vec(16, k_.f16());
  k_.forEach(k_.c(0), live, kPage, [&](Value key) {
    Value page = pageAddress(block, key, 0, shape_.headBytes()), target = k_.mul(key, 4);
    k_.forEach(k_.c(0), k_.c(shape_.headDim), 2, [&](Value d) {
      Value low = k_.extF(k_.load(f16x16, page, k_.mul(d, line), 0, 32));
      Value high = k_.extF(k_.load(f16x16, page, k_.mul(d, line), line, 32));
      k_.store(interleave(low, high), words_.scratch, k_.add(target, k_.mul(d, kBlock * 2)), at_.keys, 4);
    });
  });
}

/// Pages of values are [16][D]. The partner of an odd last key is that key again: its weight is 0, and what follows in
/// the page may be NaN.
void Bf16AttendEmitter::packValues(Value block, Value live) {
  if (shape_.int8Cache)
    return packValueCodes(block, live);
  int64_t dim = shape_.headDim;
  VectorType f16x16 = k_.vec(16, k_.f16());
  k_.forEach(k_.c(0), live, kPage, [&](Value firstKey) {
    Value page = pageAddress(block, firstKey, shape_.valuesAt(), shape_.headBytes());
    Value count = k_.minSI(k_.sub(live, firstKey), k_.c(kPage)), last = k_.add(count, -1);
    Value target = k_.mul(firstKey, dim * 2);
    k_.forEach(k_.c(0), count, 2, [&](Value key) {
      Value partner = k_.minSI(k_.add(key, 1), last);
      Value even = k_.address(page, k_.mul(key, shape_.rowBytes()));
      Value odd = k_.address(page, k_.mul(partner, shape_.rowBytes()));
      Value line = k_.add(target, k_.mul(key, dim * 2));
      for (int64_t column = 0; column < dim; column += 16) {
        Value low = k_.extF(k_.load(f16x16, even, Value(), column * 2, 32));
        Value high = k_.extF(k_.load(f16x16, odd, Value(), column * 2, 32));
        k_.store(interleave(low, high), words_.scratch, line, at_.values + column * 4, 4);
      }
    });
  });
}

/// Pages of keys are [D / 4][16][4] codes + 128.
void Bf16AttendEmitter::packKeyCodes(Value block, Value live) {
  VectorType i32x16 = k_.vec(16, k_.i32()), f32x16 = k_.vec(16, k_.f32());
  k_.forEach(k_.c(0), live, kPage, [&](Value key) {
    Value page = pageAddress(block, key, 0, shape_.headBytes()), target = k_.mul(key, 4);
    Value scales = pageAddress(block, key, shape_.scalesAt(), shape_.scaleBytes());
    Value factors = k_.load(f32x16, scales, Value(), 0, 64), zero = k_.mulF(factors, k_.constant(f32x16, -128));
    k_.forEach(k_.c(0), k_.c(shape_.headDim), AttendShape::kFour, [&](Value d) {
      Value words = k_.load(i32x16, page, k_.mul(d, kPage), 0, 64);
      auto dimension = [&](int64_t i) {
        Value code = arith::ShRUIOp::create(k_.b(), words, k_.constant(i32x16, 8.0 * i));
        code = arith::AndIOp::create(k_.b(), code, k_.constant(i32x16, 255));
        return k_.fma(arith::SIToFPOp::create(k_.b(), f32x16, code), factors, zero);
      };
      for (int64_t i = 0; i < AttendShape::kFour; i += 2)
        k_.store(interleave(dimension(i), dimension(i + 1)), words_.scratch, k_.add(target, k_.mul(d, kBlock * 2)),
                 at_.keys + i * kBlock * 2, 4);
    });
  });
}

/// Pages of values are [4][D][4 tokens]. The scales of keys that do not exist may be NaN.
void Bf16AttendEmitter::packValueCodes(Value block, Value live) {
  const int64_t dim = shape_.headDim;
  VectorType i32x16 = k_.vec(16, k_.i32()), f32x16 = k_.vec(16, k_.f32());
  k_.forEach(k_.c(0), live, AttendShape::kFour, [&](Value key) {
    Value inPage = k_.remUI(key, kPage);
    Value page = k_.address(pageAddress(block, key, shape_.valuesAt(), shape_.headBytes()), k_.mul(inPage, dim));
    Value scales = k_.address(pageAddress(block, key, shape_.valueScalesAt(), shape_.scaleBytes()), k_.mul(inPage, 4));
    KernelBuilder::Values factors;
    for (int64_t i = 0; i < AttendShape::kFour; ++i) {
      Value scale = k_.load(k_.f32(), scales, Value(), i * 4, 4), exists = k_.less(k_.add(key, i), live);
      factors.push_back(k_.splat(arith::SelectOp::create(k_.b(), exists, scale, k_.constant(k_.f32(), 0.0)), 16));
    }
    Value line = k_.mul(key, dim * 2);
    k_.forEach(k_.c(0), k_.c(dim), 16, [&](Value column) {
      Value words = k_.load(i32x16, page, k_.mul(column, 4), 0, 64), at = k_.add(line, k_.mul(column, 4));
      auto token = [&](int64_t i) {
        Value code = arith::ShLIOp::create(k_.b(), words, k_.constant(i32x16, 24.0 - 8.0 * i));
        code = arith::ShRSIOp::create(k_.b(), code, k_.constant(i32x16, 24));
        return k_.mulF(arith::SIToFPOp::create(k_.b(), f32x16, code), factors[i]);
      };
      for (int64_t i = 0; i < AttendShape::kFour; i += 2)
        k_.store(interleave(token(i), token(i + 1)), words_.scratch, at, at_.values + i * dim * 2, 4);
    });
  });
}

} // namespace llmc
