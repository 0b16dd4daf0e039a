// Integer tiles for 16 registers: the steps of a group follow each other (README.md, "The steps of a group are no
// loop"), f32 sums live in memory.
#include "codegen/cpu/matmul/TileEmitter.h"

using namespace mlir;

namespace llmc {

/// Integer sums of one group and one half of the lanes, [row * 2 + columns 0-15 or 16-31]. Packed nibbles hold both
/// in one line; unpacked nibbles and bytes have the second 16 columns four lines on.
TileEmitter::Values TileEmitter::groupSteps(const TilePlace &place, const Group &group, Value g, int64_t half) {
  bool nibbles = shape_.format().bits < 8 && !config_.unpack;
  Value lines = group.lines;
  if (config_.unpack)
    lines = k_.address(place.unpacked, k_.mul(k_.sub(g, place.groupBegin), kQuantGroup * kPanelRows));
  Values sums(2 * config_.tileRows, k_.constant(sumType(), 0));
  for (int64_t step = 0; step < 4; ++step) {
    const int64_t at = step * kLineBytes + half * lanes_ * 4;
    Value first = loadBytes(lines, at);
    Value weights[2] = {nibbles ? nibble(first, false) : first,
                        nibbles ? nibble(first, true) : loadBytes(lines, at + 4 * kLineBytes)};
    for (int64_t row = 0; row < config_.tileRows; ++row)
      for (int64_t part = 0; part < 2; ++part) {
        Value &sum = sums[row * 2 + part];
        sum = dot(sum, weights[part], activation(group.x, row, step * 4 + part * 16));
      }
    for (Value &sum : sums)
      sum = k_.inOrder(sum); // as in wordSteps
  }
  return sums;
}

void TileEmitter::emitSteps(const TilePlace &place) {
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    Group group = groupAt(place, g);
    if (place.ahead)
      prefetchShare(place, g);
    else
      prefetchGroup(group);
    Scales scales = scalesOf(group);
    // Half the lanes at a time: both sums of all rows fit the registers.
    for (int64_t h = 0; h < halves_; ++h) {
      Values sums = groupSteps(place, group, g, h);
      for (int64_t row = 0; row < config_.tileRows; ++row) {
        int64_t at = row * sumsStride_ + h * lanes_ * 4;
        Value total = k_.load(floats(), place.sums, Value(), at, 32);
        total = scaleSums(group, row, sums[row * 2], sums[row * 2 + 1], scales, h, total);
        k_.store(total, place.sums, Value(), at, 32);
      }
    }
  });
}

void TileEmitter::emitUnpack(const TilePlace &place) {
  if (config_.style == TileStyle::Words)
    return emitUnpackWords(place);
  k_.forEach(place.groupBegin, place.groupEnd, 1, [&](Value g) {
    Group group = groupAt(place, g);
    Value out = k_.address(place.unpacked, k_.mul(k_.sub(g, place.groupBegin), kQuantGroup * kPanelRows));
    for (int64_t h = 0; h < halves_; ++h) {
      Values codes = groupCodes(codeLinesOf(group, h), upperBits(group, h));
      for (int64_t step = 0; step < 8; ++step)
        k_.store(codes[step], out, Value(), step * kLineBytes + h * lanes_ * 4, 32);
    }
  });
}

} // namespace llmc
