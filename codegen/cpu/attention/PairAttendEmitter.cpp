// Item loop of attention with rounded factors: blocks of keys, softmax of a row, and the final rows.
#include "codegen/cpu/attention/PairAttendEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "runtime/format/kernel_abi.h"

using namespace mlir;

namespace llmc {

static constexpr double kLog2e = 1.4426950408889634;

PairAttendEmitter::PairAttendEmitter(KernelBuilder &kernel, const AttendShape &shape, const AttendWords &words)
    : k_(kernel), shape_(shape), words_(words), at_(shape, pairTileRows(kernel.level())) {}

double PairAttendEmitter::queryScale() const {
  return (shape_.softcap > 0 ? 2.0 / shape_.softcap : 1.0) * shape_.scale * kLog2e;
}

void PairAttendEmitter::emitItem(const AttendItem &item) {
  Value stride = k_.batchInt(words_.batch, offsetof(rt::Batch, blockStride));
  Value table = k_.batchPtr(words_.batch, offsetof(rt::Batch, blockTable));
  table_ = k_.address(table, k_.mul(k_.mul(item.sequence, stride), 4));
  kvHead_ = item.kvHead;
  first_ = k_.loadIndex(k_.batchPtr(words_.batch, offsetof(rt::Batch, positions)), item.firstToken);
  packQueries(item);
  clearState();
  Value end = k_.add(first_, item.tokenCount), begin = k_.c(0);
  if (shape_.window > 0)
    begin = k_.mul(k_.divUI(k_.maxSI(k_.add(first_, 1 - shape_.window), begin), kBlock), kBlock);
  k_.forEach(begin, end, kBlock, [&](Value block) {
    Value live = k_.minSI(k_.sub(end, block), k_.c(kBlock));
    packKeys(block, live);
    packValues(block, live);
    emitBlock(item, block, live);
  });
  storeRows(item);
}

void PairAttendEmitter::clearState() {
  // All rows: what a tile computes past the last live row may be anything, but not slow (denormal, NaN on some CPUs).
  Value zero = k_.constant(k_.vec(16, k_.f32()), 0.0), least = k_.constant(k_.vec(4, k_.f32()), -1.0e30);
  k_.forEach(k_.c(0), k_.c(at_.largest - at_.sums), 64,
             [&](Value at) { k_.store(zero, words_.scratch, at, at_.sums, 4); });
  k_.forEach(k_.c(0), k_.c(at_.rows * 4), 16, [&](Value at) { k_.store(least, words_.scratch, at, at_.largest, 4); });
}

Value PairAttendEmitter::pageAddress(Value block, Value key, int64_t at, int64_t headBytes) {
  Value page = k_.loadIndex(table_, k_.divUI(k_.add(block, key), kPage));
  return k_.address(words_.cache, k_.add(k_.mul(page, shape_.pageBytes()), k_.mul(kvHead_, headBytes)), at);
}

void PairAttendEmitter::emitBlock(const AttendItem &item, Value block, Value live) {
  int64_t group = shape_.group();
  Value rows = k_.mul(item.tokenCount, group);
  // Tokens before the block see none of it, nor do those whose window has moved past it.
  Value from = k_.mul(k_.maxSI(k_.sub(block, first_), k_.c(0)), group), to = rows;
  if (shape_.window > 0)
    to = k_.minSI(to, k_.mul(k_.add(k_.sub(block, first_), kBlock + shape_.window - 1), group));
  k_.forEach(from, to, at_.tileRows, [&](Value row) {
    Tile tile;
    tile.firstRow = row;
    tile.block = block;
    tile.rowCount = k_.minSI(k_.sub(rows, row), k_.c(at_.tileRows));
    // Positions of the first and the last row, relative to the block.
    Value base = k_.sub(first_, block);
    Value low = k_.add(base, k_.divUI(row, group));
    Value high = k_.add(base, k_.divUI(k_.add(k_.add(row, tile.rowCount), -1), group));
    tile.visible = k_.minSI(k_.add(high, 1), live);
    tile.whole = k_.less(k_.c(kBlock - 2), low);
    if (shape_.window > 0)
      tile.whole = arith::AndIOp::create(k_.b(), tile.whole, k_.less(high, k_.c(shape_.window)));
    emitScores(tile);
    auto softmax = [&](bool masked) {
      k_.forEach(k_.c(0), tile.rowCount, 1, [&](Value r) { emitSoftmaxRow(tile, r, masked); });
      return Values();
    };
    k_.ifElse(tile.whole, {}, [&] { return softmax(false); }, [&] { return softmax(true); });
    emitValues(tile);
  });
}

/// cap * tanh(s / cap) * log2(e) from 2 s / cap * log2(e), by tanh(x) = 1 - 2 / (exp(2x) + 1).
Value PairAttendEmitter::softcapped(Value scores) {
  Type type = scores.getType();
  double cap = shape_.softcap * kLog2e;
  Value t = k_.divF(k_.constant(type, -2.0 * cap), k_.addF(exp2(scores), k_.constant(type, 1.0)));
  return k_.addF(t, k_.constant(type, cap));
}

/// Makes `row`'s sums so far relative to `now` instead of `largest`.
void PairAttendEmitter::rescaleRow(Value row, Value largest, Value now) {
  VectorType f32x16 = k_.vec(16, k_.f32());
  Value factor = exp2(k_.subF(largest, now));
  auto scale = [&](Value at, int64_t disp) {
    k_.store(k_.mulF(k_.load(f32x16, words_.scratch, at, disp, 4), factor), words_.scratch, at, disp, 4);
  };
  scale(k_.mul(row, 64), at_.totals);
  for (int64_t column = 0; column < shape_.headDim; column += 16)
    scale(k_.mul(row, shape_.headDim * 4), at_.sums + column * 4);
}

/// Weights of one row of the tile from its scores. They are relative to the largest score seen when that was last
/// updated, not to the largest now: as long as no score exceeds it by 2^8 floats lose nothing, and neither the maximum
/// across lanes nor a correction of older sums is needed.
void PairAttendEmitter::emitSoftmaxRow(const Tile &tile, Value row, bool masked) {
  VectorType f32x16 = k_.vec(16, k_.f32());
  Value itemRow = k_.add(tile.firstRow, row), state = k_.mul(itemRow, 4);
  std::optional<VisibleKeys> keys;
  if (masked)
    keys = visibleKeys(k_, shape_, k_.add(k_.sub(first_, tile.block), k_.divUI(itemRow, shape_.group())), tile.visible);
  Values scores;
  for (int64_t lane = 0; lane < kBlock; lane += 16) {
    Value s = k_.load(f32x16, words_.scratch, k_.mul(row, kBlock * 4), at_.scores + lane * 4, 4);
    if (shape_.softcap > 0)
      s = softcapped(s);
    scores.push_back(masked ? maskHidden(k_, *keys, s, lane) : s);
  }
  Value most = k_.maxF(k_.maxF(scores[0], scores[1]), k_.maxF(scores[2], scores[3]));
  Value largest = k_.loadSplat(k_.f32(), 16, words_.scratch, state, at_.largest);
  auto used = k_.ifElse(
      anyGreater(k_, most, k_.addF(largest, k_.constant(f32x16, 8.0))), {f32x16},
      [&] {
        Value now = k_.reduceMax(most), lanes = k_.splat(now, 16);
        rescaleRow(itemRow, largest, lanes);
        k_.store(now, words_.scratch, state, at_.largest, 4);
        return Values{lanes};
      },
      [&] { return Values{largest}; });
  Value total = k_.load(f32x16, words_.scratch, k_.mul(itemRow, 64), at_.totals, 4);
  total = addWeights(row, scores, used[0], keys, total);
  k_.store(total, words_.scratch, k_.mul(itemRow, 64), at_.totals, 4);
}

void PairAttendEmitter::storeRows(const AttendItem &item) {
  int64_t dim = shape_.headDim, group = shape_.group();
  k_.forEach(k_.c(0), k_.mul(item.tokenCount, group), 1, [&](Value row) {
    Value token = k_.add(item.firstToken, k_.divUI(row, group));
    Value head = k_.add(k_.mul(item.kvHead, group), k_.remUI(row, group));
    Value total = k_.load(k_.vec(16, k_.f32()), words_.scratch, k_.mul(row, 64), at_.totals, 4);
    constexpr double ln2 = 0.69314718055994530942; // scores are base 2 logarithms here
    Value largest =
        k_.mulF(k_.load(k_.f32(), words_.scratch, k_.mul(row, 4), at_.largest, 4), k_.constant(k_.f32(), ln2));
    storeHead(k_, shape_, words_, token, head, k_.address(words_.scratch, k_.mul(row, dim * 4), at_.sums), total,
              largest);
  });
}

} // namespace llmc
