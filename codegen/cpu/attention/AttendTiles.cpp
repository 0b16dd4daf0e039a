// The three inner parts of attention: scores of a tile, softmax of a row, weighted values of a tile.
#include "codegen/cpu/attention/AttendEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

/// scores[row][key] for `pages` pages at a time: acc[row] += K[d][16 keys] * q[row][d].
void AttendEmitter::emitScores(const AttendItem &item, Value token, Value head, Value firstKey, Value endKey) {
  int64_t dim = shape_.headDim, stride = static_cast<int64_t>(rt::rowStrideBytes(shape_.heads * dim * 4));
  Value queryRow = k_.add(k_.mul(k_.add(item.firstToken, token), stride),
                          k_.mul(k_.add(k_.mul(item.kvHead, shape_.group()), head), dim * 4));
  Value query = k_.address(words_.query, queryRow);
  Value firstPage = k_.divUI(firstKey, AttendShape::kPageTokens);
  Value lastPage = k_.divUI(k_.add(endKey, -1), AttendShape::kPageTokens);
  Value live = k_.minSI(k_.sub(endKey, firstKey), k_.c(AttendShape::kBlockTokens));
  VectorType f32x16 = k_.vec(16, k_.f32());
  k_.forEach(k_.c(0), k_.ceilDiv(live, AttendShape::kPageTokens), tile_.pages, [&](Value page) {
    KernelBuilder::Values pages;
    for (int64_t p = 0; p < tile_.pages; ++p) // past the end: the last page again, masked later
      pages.push_back(pageAddress(item, k_.minSI(k_.add(k_.add(firstPage, page), p), lastPage), 0));
    KernelBuilder::Values zeros(tile_.rows() * tile_.pages, k_.constant(f32x16, 0.0));
    auto sums = k_.forLoop(k_.c(0), k_.c(dim), 2, zeros, [&](Value d, ValueRange carried) {
      KernelBuilder::Values acc(carried);
      // One query row a head reads each page once: the V lines it needs next are fetched beside the K lines.
      if (tile_.tokens == 1)
        for (Value address : pages)
          k_.prefetch(address, k_.mul(d, 32), shape_.kvHeads * shape_.headBytes());
      for (int64_t u = 0; u < 2; ++u) {
        KernelBuilder::Values keys;
        for (Value address : pages)
          keys.push_back(k_.extF(k_.load(k_.vec(16, k_.f16()), address, k_.mul(d, 32), u * 32, 32)));
        for (int64_t t = 0; t < tile_.tokens; ++t)
          for (int64_t h = 0; h < tile_.heads; ++h) {
            Value q = k_.loadSplat(k_.f32(), 16, query, k_.mul(d, 4), t * stride + h * dim * 4 + u * 4);
            for (int64_t p = 0; p < tile_.pages; ++p) {
              Value &sum = acc[(t * tile_.heads + h) * tile_.pages + p];
              sum = k_.fma(keys[p], q, sum);
            }
          }
      }
      return acc;
    });
    Value at = k_.add(k_.mul(scratchRow(token, head), AttendShape::kBlockTokens * 4), k_.mul(page, 64));
    for (int64_t t = 0; t < tile_.tokens; ++t)
      for (int64_t h = 0; h < tile_.heads; ++h)
        for (int64_t p = 0; p < tile_.pages; ++p) {
          int64_t row = t * shape_.group() + h;
          k_.store(sums[(t * tile_.heads + h) * tile_.pages + p], words_.scratch, at,
                   row * AttendShape::kBlockTokens * 4 + p * 64, 4);
        }
  });
}

/// cap * tanh(s / cap), by tanh(x) = 1 - 2 / (exp(2x) + 1).
static Value applySoftcap(KernelBuilder &k, Value s, double cap) {
  Type type = s.getType();
  Value e = k.exp(k.mulF(s, k.constant(type, 2.0 / cap)));
  Value t = k.divF(k.constant(type, 2.0), k.addF(e, k.constant(type, 1.0)));
  return k.mulF(k.subF(k.constant(type, 1.0), t), k.constant(type, cap));
}

/// Masks, exponentiates and sums one row of scores; leaves probabilities, and the correction of older sums.
void AttendEmitter::emitSoftmaxRow(const AttendItem &item, Value row, Value firstKey, Value endKey) {
  constexpr int64_t kVectors = AttendShape::kBlockTokens / 16;
  VectorType f32x16 = k_.vec(16, k_.f32()), i32x16 = k_.vec(16, k_.i32());
  auto &b = k_.b();
  Value at = k_.mul(row, AttendShape::kBlockTokens * 4), state = k_.mul(row, 12);
  Value here = position(item, row);
  // Key j is visible when begin <= j < end; both relative to the block and as 32-bit lanes.
  auto lanes = [&](Value bound) {
    Value relative = arith::TruncIOp::create(b, k_.i32(), k_.sub(bound, firstKey));
    return k_.splat(relative, 16);
  };
  Value end = lanes(k_.minSI(k_.add(here, 1), endKey));
  Value begin = shape_.window > 0 ? lanes(k_.add(here, 1 - shape_.window)) : Value();
  llvm::SmallVector<int32_t> iota;
  for (int32_t i = 0; i < 16; ++i)
    iota.push_back(i);
  Value lane = arith::ConstantOp::create(b, DenseElementsAttr::get(i32x16, llvm::ArrayRef<int32_t>(iota)));
  Value hidden = k_.constant(f32x16, -3.0e38);
  KernelBuilder::Values scores;
  Value largest = k_.constant(f32x16, -1.0e30);
  for (int64_t v = 0; v < kVectors; ++v) {
    Value s = k_.mulF(k_.load(f32x16, words_.scratch, at, v * 64, 4), k_.constant(f32x16, shape_.scale));
    if (shape_.softcap > 0)
      s = applySoftcap(k_, s, shape_.softcap);
    Value index = arith::AddIOp::create(b, lane, k_.constant(i32x16, v * 16));
    Value visible = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, index, end);
    if (begin)
      visible = arith::AndIOp::create(b, visible, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, index, begin));
    s = arith::SelectOp::create(b, visible, s, hidden);
    largest = k_.maxF(largest, s);
    scores.push_back(s);
  }
  Value old = k_.load(k_.f32(), words_.scratch, state, stateAt_, 4);
  Value now = k_.maxF(old, k_.reduceMax(largest));
  Value correction = k_.exp(k_.subF(old, now)), nowLanes = k_.splat(now, 16);
  Value sum = k_.constant(f32x16, 0.0);
  for (int64_t v = 0; v < kVectors; ++v) {
    Value p = k_.exp(k_.subF(scores[v], nowLanes));
    sum = k_.addF(sum, p);
    k_.store(p, words_.scratch, at, v * 64, 4);
  }
  Value total = k_.load(k_.f32(), words_.scratch, state, stateAt_ + 4, 4);
  total = k_.fma(total, correction, k_.reduceAdd(sum));
  k_.store(now, words_.scratch, state, stateAt_, 4);
  k_.store(total, words_.scratch, state, stateAt_ + 4, 4);
  k_.store(correction, words_.scratch, state, stateAt_ + 8, 4);
}

/// sums[row][16 columns] = sums * correction + sum over live keys of p[row][key] * V[key][columns].
void AttendEmitter::emitValues(const AttendItem &item, Value token, Value head, Value firstKey, Value endKey) {
  int64_t dim = shape_.headDim, valuesAt = shape_.kvHeads * shape_.headBytes();
  Value first = scratchRow(token, head);
  Value live = k_.minSI(k_.sub(endKey, firstKey), k_.c(AttendShape::kBlockTokens));
  Value firstPage = k_.divUI(firstKey, AttendShape::kPageTokens);
  Value sums = k_.mul(first, dim * 4), probabilities = k_.mul(first, AttendShape::kBlockTokens * 4);
  VectorType f32x16 = k_.vec(16, k_.f32());
  auto rowOf = [&](int64_t r) { return r / tile_.heads * shape_.group() + r % tile_.heads; };
  k_.forEach(k_.c(0), k_.c(dim * 4), tile_.columns * 64, [&](Value column) {
    Value columnSums = k_.add(sums, column);
    KernelBuilder::Values acc;
    for (int64_t r = 0; r < tile_.rows(); ++r) {
      Value correction = k_.loadSplat(k_.f32(), 16, words_.scratch, k_.mul(first, 12), stateAt_ + rowOf(r) * 12 + 8);
      for (int64_t v = 0; v < tile_.columns; ++v) {
        Value old = k_.load(f32x16, words_.scratch, columnSums, sumsAt_ + rowOf(r) * dim * 4 + v * 64, 4);
        acc.push_back(k_.mulF(old, correction));
      }
    }
    acc = k_.forLoop(k_.c(0), live, AttendShape::kPageTokens, acc, [&](Value key, ValueRange outer) {
      Value page = k_.add(firstPage, k_.divUI(key, AttendShape::kPageTokens));
      Value values = k_.address(pageAddress(item, page, valuesAt), k_.divUI(column, 2));
      Value p = k_.address(words_.scratch, k_.add(probabilities, k_.mul(key, 4)));
      Value count = k_.minSI(k_.sub(live, key), k_.c(AttendShape::kPageTokens));
      Value ahead; // the same page of the next block: its K lines arrive while this page's V is summed
      if (tile_.tokens == 1) {
        Value lastPage = k_.divUI(k_.add(endKey, -1), AttendShape::kPageTokens);
        ahead = pageAddress(item,
                            k_.minSI(k_.add(page, AttendShape::kBlockTokens / AttendShape::kPageTokens), lastPage), 0);
      }
      return k_.forLoop(k_.c(0), count, 1, outer, [&](Value t, ValueRange carried) {
        KernelBuilder::Values next(carried);
        if (ahead) {
          int64_t bytes = shape_.headBytes() / AttendShape::kPageTokens;
          for (int64_t line = 0; line < bytes; line += 64)
            k_.prefetch(ahead, k_.mul(t, bytes), line);
        }
        KernelBuilder::Values vs;
        for (int64_t v = 0; v < tile_.columns; ++v)
          vs.push_back(k_.extF(k_.load(k_.vec(16, k_.f16()), values, k_.mul(t, dim * 2), v * 32, 2)));
        for (int64_t r = 0; r < tile_.rows(); ++r) {
          Value weight = k_.loadSplat(k_.f32(), 16, p, k_.mul(t, 4), rowOf(r) * AttendShape::kBlockTokens * 4);
          for (int64_t v = 0; v < tile_.columns; ++v)
            next[r * tile_.columns + v] = k_.fma(vs[v], weight, next[r * tile_.columns + v]);
        }
        return next;
      });
    });
    for (int64_t r = 0; r < tile_.rows(); ++r)
      for (int64_t v = 0; v < tile_.columns; ++v)
        k_.store(acc[r * tile_.columns + v], words_.scratch, columnSums, sumsAt_ + rowOf(r) * dim * 4 + v * 64, 4);
  });
}

} // namespace llmc
