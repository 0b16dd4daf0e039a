// Item loop of attention: key range, state, blocks of keys, final rows.
#include "codegen/cpu/attention/AttendEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

AttendEmitter::AttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words,
                             const AttendTile &tile, int64_t itemTokens)
    : k_(kernel), shape_(shape), words_(words), tile_(tile), rows_(itemTokens * shape.group()) {
  sumsAt_ = rows_ * AttendShape::kBlockTokens * 4;
  stateAt_ = sumsAt_ + rows_ * shape.headDim * 4;
}

AttendEmitter::Range AttendEmitter::keyRange(const AttendItem &item) {
  Value positions = k_.batchPtr(words_.batch, offsetof(rt::Batch, positions));
  Value first = k_.loadIndex(positions, item.firstToken);
  Value end = k_.add(first, item.tokenCount); // the last query sees itself
  Value begin = k_.c(0);
  if (shape_.window > 0)
    begin = k_.maxSI(begin, k_.add(first, 1 - shape_.window));
  if (item.split) {
    // Splits depend on the sequence's length alone, so a token's sum does not change with its neighbours.
    Value unit = k_.ceilDiv(k_.ceilDiv(end, shape_.splits), AttendShape::kPageTokens);
    unit = k_.maxSI(k_.mul(unit, AttendShape::kPageTokens), k_.c(AttendShape::kSplitTokens));
    Value from = k_.mul(item.split, unit);
    begin = k_.maxSI(begin, from);
    end = k_.minSI(end, k_.add(from, unit));
  }
  // The softmax masks what lies before `begin`. Without splits blocks start at multiples of their size, so that a row's
  // sums do not depend on where its item starts; those of splits start on a page.
  int64_t unit = item.split ? AttendShape::kPageTokens : AttendShape::kBlockTokens;
  begin = k_.mul(k_.divUI(begin, unit), unit);
  return {begin, end};
}

void AttendEmitter::clearState() {
  Value zero = k_.constant(k_.vec(16, k_.f32()), 0.0);
  k_.forEach(k_.c(0), k_.c(rows_ * shape_.headDim * 4), 64,
             [&](Value at) { k_.store(zero, words_.scratch, at, sumsAt_, 4); });
  k_.forEach(k_.c(0), k_.c(rows_), 1, [&](Value row) {
    Value at = k_.mul(row, 12);
    k_.store(k_.constant(k_.f32(), -1.0e30), words_.scratch, at, stateAt_, 4);
    k_.store(k_.constant(k_.f32(), 0.0), words_.scratch, at, stateAt_ + 4, 4);
  });
}

void AttendEmitter::emitItem(const AttendItem &item) {
  Value stride = k_.batchInt(words_.batch, offsetof(rt::Batch, blockStride));
  Value table = k_.batchPtr(words_.batch, offsetof(rt::Batch, blockTable));
  table_ = k_.address(table, k_.mul(k_.mul(item.sequence, stride), 4));
  clearState();
  Range keys = keyRange(item);
  k_.forEach(keys.begin, keys.end, AttendShape::kBlockTokens,
             [&](Value firstKey) { emitBlock(item, firstKey, keys.end); });
  storeRows(item);
}

void AttendEmitter::emitBlock(const AttendItem &item, Value firstKey, Value endKey) {
  forEachTile(item, [&](Value token, Value head) { emitScores(item, token, head, firstKey, endKey); });
  k_.forEach(k_.c(0), k_.mul(item.tokenCount, shape_.group()), 1,
             [&](Value row) { emitSoftmaxRow(item, row, firstKey, endKey); });
  forEachTile(item, [&](Value token, Value head) { emitValues(item, token, head, firstKey, endKey); });
}

void AttendEmitter::forEachTile(const AttendItem &item, llvm::function_ref<void(Value, Value)> body) {
  k_.forEach(k_.c(0), item.tokenCount, tile_.tokens, [&](Value token) {
    if (tile_.heads == shape_.group()) {
      body(token, k_.c(0));
      return;
    }
    k_.forEach(k_.c(0), k_.c(shape_.group()), tile_.heads, [&](Value head) { body(token, head); });
  });
}

Value AttendEmitter::pageAddress(const AttendItem &item, Value page, int64_t extra) {
  Value offset = k_.mul(k_.loadIndex(table_, page), shape_.pageBytes());
  offset = k_.add(offset, k_.mul(item.kvHead, shape_.headBytes()));
  return k_.address(words_.cache, offset, extra);
}

Value AttendEmitter::scratchRow(Value token, Value head) { return k_.add(k_.mul(token, shape_.group()), head); }

Value AttendEmitter::position(const AttendItem &item, Value row) {
  Value positions = k_.batchPtr(words_.batch, offsetof(rt::Batch, positions));
  return k_.loadIndex(positions, k_.add(item.firstToken, k_.divUI(row, shape_.group())));
}

void AttendEmitter::storeRows(const AttendItem &item) {
  k_.forEach(k_.c(0), k_.mul(item.tokenCount, shape_.group()), 1, [&](Value row) { storeRow(item, row); });
}

void AttendEmitter::storeRow(const AttendItem &item, Value row) {
  int64_t dim = shape_.headDim, parts = std::max<int64_t>(shape_.splits, 1), width = shape_.splits ? dim + 2 : dim;
  int64_t stride = static_cast<int64_t>(rt::rowStrideBytes(shape_.heads * parts * width * 4));
  Value token = k_.add(item.firstToken, k_.divUI(row, shape_.group()));
  Value head = k_.add(k_.mul(item.kvHead, shape_.group()), k_.remUI(row, shape_.group()));
  Value part = item.split ? k_.add(k_.mul(head, parts), item.split) : head;
  Value out = k_.add(k_.mul(token, stride), k_.mul(part, width * 4));
  Value state = k_.mul(row, 12);
  Value sums = k_.mul(row, dim * 4);
  Value largest = k_.load(k_.f32(), words_.scratch, state, stateAt_, 4);
  Value total = k_.load(k_.f32(), words_.scratch, state, stateAt_ + 4, 4);
  Value factor;
  if (!shape_.splits)
    factor = k_.splat(k_.divF(k_.constant(k_.f32(), 1.0), total), 16);
  for (int64_t column = 0; column < dim; column += 16) {
    Value v = k_.load(k_.vec(16, k_.f32()), words_.scratch, sums, sumsAt_ + column * 4, 4);
    k_.store(factor ? k_.mulF(v, factor) : v, words_.result, out, column * 4, 4);
  }
  if (shape_.splits) {
    k_.store(largest, words_.result, out, dim * 4, 4);
    k_.store(total, words_.result, out, dim * 4 + 4, 4);
  }
}

} // namespace llmc
