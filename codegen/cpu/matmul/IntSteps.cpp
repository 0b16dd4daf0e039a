// Integer tiles for 16 registers: a real loop over the steps of a group bounds LLVM's scheduler, f32 sums live in memory.
#include "codegen/cpu/matmul/TileEmitter.h"

using namespace mlir;

namespace llmc {

void TileEmitter::addStep(Values &sums, llvm::ArrayRef<Value> weights, Value x, int64_t disp) {
  for (int64_t row = 0; row < config_.tileRows; ++row) {
    Value a = activation(x, row, disp);
    for (int64_t h = 0; h < halves_; ++h) {
      Value &sum = sums[row * halves_ + h];
      sum = dot(sum, weights[h], a);
    }
  }
}

/// Integer sums of one group: unpacked nibbles and bytes have 8 steps of one product, packed nibbles 4 steps of two.
TileEmitter::Values TileEmitter::stepLoop(const TilePlace &place, const Group &group, Value g) {
  bool pairs = shape_.fourBit() && !config_.unpack;
  Value lines = group.lines;
  if (config_.unpack)
    lines = k_.address(place.unpacked, k_.mul(k_.sub(g, place.groupBegin), kQuantGroup * kPanelRows));
  Values sums;
  for (int64_t row = 0; row < config_.tileRows; ++row)
    sums.append(halves_, startSum(group, row, true));
  return k_.forLoop(k_.c(0), k_.c(pairs ? 4 : 8), 1, sums, [&](Value step, ValueRange carried) {
    Values next(carried.begin(), carried.end()), low, high;
    Value at = k_.address(lines, k_.mul(step, kLineBytes)), x = k_.address(group.x, k_.mul(step, 4));
    for (int64_t h = 0; h < halves_; ++h) {
      Value line = loadBytes(at, h * lanes_ * 4);
      low.push_back(pairs ? nibble(line, false) : line);
      if (pairs)
        high.push_back(nibble(line, true));
    }
    addStep(next, low, x, 0);
    if (pairs)
      addStep(next, high, x, 16);
    return next;
  });
}

void TileEmitter::emitSteps(const TilePlace &place) {
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    Group group = groupAt(place, g);
    prefetchGroup(group);
    Values sums = stepLoop(place, group, g);
    Values scales = groupScales(group, 0), mins;
    if (shape_.asymmetric())
      mins = groupScales(group, 64);
    for (int64_t row = 0; row < config_.tileRows; ++row)
      for (int64_t h = 0; h < halves_; ++h) {
        int64_t at = row * sumsStride_ + h * lanes_ * 4;
        Value total = k_.load(floats(), place.sums, Value(), at, 32);
        total = scaleSum(group, row, sums[row * halves_ + h], scales[h], mins.empty() ? Value() : mins[h], total);
        k_.store(total, place.sums, Value(), at, 32);
      }
  });
}

void TileEmitter::emitUnpack(const TilePlace &place) {
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    Group group = groupAt(place, g);
    Value out = k_.address(place.unpacked, k_.mul(k_.sub(g, place.groupBegin), kQuantGroup * kPanelRows));
    for (int64_t line = 0; line < 4; ++line)
      for (int64_t h = 0; h < halves_; ++h) {
        int64_t at = line * kLineBytes + h * lanes_ * 4;
        Value both = loadBytes(group.lines, at);
        k_.store(nibble(both, false), out, Value(), at, 32);
        k_.store(nibble(both, true), out, Value(), 4 * kLineBytes + at, 32);
      }
  });
}

} // namespace llmc
