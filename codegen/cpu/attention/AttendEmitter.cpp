// Item loop of attention: key range, state, blocks of keys, final rows.
#include "codegen/cpu/attention/AttendEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

AttendEmitter::AttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words,
                             const AttendTile &tile, int64_t itemTokens, int64_t itemHeads)
    : k_(kernel), shape_(shape), words_(words), tile_(tile), at_(shape, tile, itemTokens, itemHeads),
      lanes_(kernel.level().avx512 || tile.rows() > 3 ? 16 : 8), keys_(kernel, CodeProducts::SignedFactors),
      values_(kernel, CodeProducts::SignedCodes) {}

Value splitTokens(KernelBuilder &k, const AttendShape &shape, Value length) {
  Value blocks = k.ceilDiv(k.ceilDiv(length, shape.splits), AttendShape::kBlockTokens);
  return k.mul(blocks, AttendShape::kBlockTokens);
}

AttendEmitter::Range AttendEmitter::keyRange(const AttendItem &item) {
  Value end = k_.add(first_, item.tokenCount); // the last query sees itself
  Value begin = k_.c(0);
  if (shape_.window > 0)
    begin = k_.maxSI(begin, k_.add(first_, 1 - shape_.window));
  if (item.split) {
    // Splits depend on the sequence's length alone, so a token's sum does not change with its neighbours.
    Value unit = splitTokens(k_, shape_, end);
    Value from = k_.mul(item.split, unit);
    begin = k_.maxSI(begin, from);
    end = k_.minSI(end, k_.add(from, unit));
  }
  // The softmax masks what lies before `begin`. Blocks start at multiples of their size, so that a row's sums do not
  // depend on where its item starts.
  begin = k_.mul(k_.divUI(begin, AttendShape::kBlockTokens), AttendShape::kBlockTokens);
  return {begin, end};
}

void AttendEmitter::forEachKvHead(const AttendItem &item, llvm::function_ref<void(const AttendItem &)> body) {
  auto select = [&](Value head) {
    scores_ = k_.address(words_.scratch, head ? k_.mul(head, at_.scoreBytes) : Value());
    state_ = k_.address(words_.scratch, head ? k_.mul(head, at_.stateBytes) : Value(), at_.state);
  };
  select(Value());
  if (!item.heads)
    return body(item);
  k_.forEach(item.kvHead, k_.add(item.kvHead, item.heads), 1, [&](Value head) {
    AttendItem one = item;
    one.kvHead = head;
    select(head);
    body(one);
  });
}

void AttendEmitter::clearState() {
  Value zero = k_.constant(k_.vec(16, k_.f32()), 0.0);
  k_.forEach(k_.c(0), k_.c(at_.largest), 64, [&](Value at) { k_.store(zero, state_, at, 0, 4); });
  k_.forEach(k_.c(0), k_.c(at_.rows * 4), 4,
             [&](Value at) { k_.store(k_.constant(k_.f32(), -1.0e30), state_, at, at_.largest, 4); });
}

void AttendEmitter::prepare(const AttendItem &item) {
  if (shape_.int8Cache)
    forEachKvHead(item, [&](const AttendItem &one) { packQueries(one); });
}

void AttendEmitter::emitItem(const AttendItem &item) {
  Value stride = k_.batchInt(words_.batch, offsetof(rt::Batch, blockStride));
  Value table = k_.batchPtr(words_.batch, offsetof(rt::Batch, blockTable));
  table_ = k_.address(table, k_.mul(k_.mul(item.sequence, stride), 4));
  first_ = k_.loadIndex(k_.batchPtr(words_.batch, offsetof(rt::Batch, positions)), item.firstToken);
  forEachKvHead(item, [&](const AttendItem &) { clearState(); });
  Range keys = keyRange(item);
  k_.forEach(keys.begin, keys.end, AttendShape::kBlockTokens, [&](Value firstKey) {
    notePages(table_, k_.divUI(firstKey, AttendShape::kPageTokens),
              k_.divUI(k_.add(keys.end, -1), AttendShape::kPageTokens), at_.pages);
    if (item.heads)
      noteAhead(item, firstKey, keys.end);
    emitBlock(item, firstKey, keys.end);
  });
  forEachKvHead(item, [&](const AttendItem &one) { storeRows(one); });
}

/// Writes where the pages of a block lie, [first, last] of `table`; the last one again for those after it.
void AttendEmitter::notePages(Value table, Value first, Value last, int64_t at) {
  for (int64_t p = 0; p < AttendShape::kBlockTokens / AttendShape::kPageTokens; ++p) {
    Value page = k_.loadIndex(table, k_.minSI(k_.add(first, p), last));
    k_.store(k_.address(words_.cache, k_.mul(page, shape_.pageBytes())), words_.scratch, Value(), at + p * 8, 8);
  }
}

/// The pages of the block after the one at `firstKey`: the item's next, or the first of what follows.
void AttendEmitter::noteAhead(const AttendItem &item, Value firstKey, Value endKey) {
  Value following = k_.add(firstKey, AttendShape::kBlockTokens), more = k_.less(following, endKey);
  auto choose = [&](Value own, Value next) -> Value { return arith::SelectOp::create(k_.b(), more, own, next); };
  notePages(choose(table_, item.next.table), choose(k_.divUI(following, AttendShape::kPageTokens), item.next.firstPage),
            choose(k_.divUI(k_.add(endKey, -1), AttendShape::kPageTokens), item.next.lastPage), at_.ahead);
}

/// What the item's head has in the part of page `page` of the block, or of the next one, that starts at `at`,
/// `headBytes` a head.
Value AttendEmitter::pageAddress(const AttendItem &item, Value page, int64_t at, int64_t headBytes, bool ahead) {
  Value address = k_.load(k_.ptr(), words_.scratch, k_.mul(page, 8), ahead ? at_.ahead : at_.pages, 8);
  return k_.address(address, k_.mul(item.kvHead, headBytes), at);
}

void AttendEmitter::emitBlock(const AttendItem &item, Value firstKey, Value endKey) {
  const bool int8 = shape_.int8Cache;
  // Tokens before the block see none of it.
  Value from = k_.maxSI(k_.sub(firstKey, first_), k_.c(0));
  from = k_.mul(k_.divUI(from, tile_.tokens), tile_.tokens);
  k_.forEach(from, item.tokenCount, tile_.tokens, [&](Value token) {
    Tile tile = tileAt(item, token, firstKey, endKey);
    forEachKvHead(item, [&](const AttendItem &one) {
      forEachHeads([&](Value head) { int8 ? emitCodeScores(one, tile, head) : emitScores(one, tile, head); });
    });
    forEachKvHead(item, [&](const AttendItem &one) { emitSoftmax(one, tile); });
    forEachKvHead(item, [&](const AttendItem &one) {
      forEachHeads([&](Value head) { int8 ? emitCodeValues(one, tile, head) : emitValues(one, tile, head); });
      if (one.heads) // a last block with few keys has not come to the end of the next one
        k_.forEach(tile.visible, k_.c(AttendShape::kBlockTokens), 1, [&](Value key) { prefetchValues(one, key); });
    });
  });
}

void AttendEmitter::emitSoftmax(const AttendItem &item, const Tile &tile) {
  KernelBuilder::Values valueScales = scaleAddresses(item);
  auto softmax = [&](bool masked) {
    k_.forEach(k_.c(0), tile.rowCount, 1, [&](Value row) { emitSoftmaxRow(tile, row, masked, valueScales); });
    return KernelBuilder::Values();
  };
  k_.ifElse(tile.whole, {}, [&] { return softmax(false); }, [&] { return softmax(true); });
}

AttendEmitter::Tile AttendEmitter::tileAt(const AttendItem &item, Value token, Value firstKey, Value endKey) {
  Value count = k_.minSI(k_.sub(item.tokenCount, token), k_.c(tile_.tokens));
  Value low = k_.sub(k_.add(first_, token), firstKey); // the first token, relative to the block
  Value high = k_.add(k_.add(low, count), -1);
  Value live = k_.minSI(k_.sub(endKey, firstKey), k_.c(AttendShape::kBlockTokens));
  Tile tile;
  tile.firstKey = firstKey;
  tile.token = token;
  tile.rowCount = k_.mul(count, shape_.group());
  tile.visible = k_.minSI(k_.add(high, 1), live);
  tile.whole = k_.less(k_.c(AttendShape::kBlockTokens - 1), k_.minSI(k_.add(low, 1), live));
  if (shape_.window > 0)
    tile.whole = arith::AndIOp::create(k_.b(), tile.whole, k_.less(high, k_.c(shape_.window)));
  return tile;
}

void AttendEmitter::forEachHeads(llvm::function_ref<void(Value)> body) {
  if (tile_.heads == shape_.group())
    body(k_.c(0));
  else
    k_.forEach(k_.c(0), k_.c(shape_.group()), tile_.heads, body);
}

/// Where the scales of the values of each page of the block lie; nothing if they have none.
KernelBuilder::Values AttendEmitter::scaleAddresses(const AttendItem &item) {
  KernelBuilder::Values found;
  for (int64_t p = 0; shape_.int8Cache && p < AttendShape::kBlockTokens / AttendShape::kPageTokens; ++p)
    found.push_back(pageAddress(item, k_.c(p), shape_.valueScalesAt(), shape_.scaleBytes()));
  return found;
}

void AttendEmitter::storeRows(const AttendItem &item) {
  k_.forEach(k_.c(0), k_.mul(item.tokenCount, shape_.group()), 1, [&](Value row) { storeRow(item, row); });
}

void storeHead(KernelBuilder &k, const AttendShape &shape, const AttendWords &words, Value row, Value head, Value sums,
               Value total, Value largest) {
  int64_t stride = static_cast<int64_t>(rt::rowStrideBytes(shape.heads * shape.headDim * 4));
  Value out = sums;
  if (!words.sink)
    out = k.address(words.result, k.add(k.mul(row, stride), k.mul(head, shape.headDim * 4)));
  Value all = k.reduceAdd(total);
  if (words.logits) // far above the scores its weight overflows, and the row becomes what it nearly is: 0
    all = k.addF(all, k.exp(k.subF(k.load(k.f32(), words.logits, k.mul(head, 4), 0, 4), largest)));
  Value factor = k.splat(k.divF(k.constant(k.f32(), 1.0), all), 16);
  for (int64_t column = 0; column < shape.headDim; column += 16) {
    Value v = k.load(k.vec(16, k.f32()), sums, Value(), column * 4, 4);
    k.store(k.mulF(v, factor), out, Value(), column * 4, 4);
  }
  if (words.sink)
    words.sink(row, head, sums);
}

void AttendEmitter::storeRow(const AttendItem &item, Value row) {
  int64_t dim = shape_.headDim;
  Value token = k_.add(item.firstToken, k_.divUI(row, shape_.group()));
  Value head = k_.add(k_.mul(item.kvHead, shape_.group()), k_.remUI(row, shape_.group()));
  Value sums = k_.address(state_, k_.mul(row, dim * 4));
  Value total = k_.load(k_.vec(16, k_.f32()), state_, k_.mul(row, 64), at_.totals, 4);
  Value largest = k_.load(k_.f32(), state_, k_.mul(row, 4), at_.largest, 4);
  if (!shape_.splits)
    return storeHead(k_, shape_, words_, token, head, sums, total, largest);
  int64_t stride = static_cast<int64_t>(rt::rowStrideBytes(shape_.heads * shape_.splits * (dim + 2) * 4));
  Value part = k_.add(k_.mul(head, shape_.splits), item.split);
  Value out = k_.address(words_.result, k_.add(k_.mul(token, stride), k_.mul(part, (dim + 2) * 4)));
  for (int64_t column = 0; column < dim; column += 16)
    k_.store(k_.load(k_.vec(16, k_.f32()), sums, Value(), column * 4, 4), out, Value(), column * 4, 4);
  k_.store(largest, out, Value(), dim * 4, 4);
  k_.store(k_.reduceAdd(total), out, Value(), dim * 4 + 4, 4);
}

} // namespace llmc
