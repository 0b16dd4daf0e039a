// One row of x with 16 registers: line by line, so that no more than a line's codes are live and lines are read in the
// order of addresses.
#include "codegen/cpu/matmul/TileEmitter.h"

using namespace mlir;

namespace llmc {

/// Adds a group of 32 columns, both halves of the lanes; the same sums as directGroup.
void TileEmitter::lineGroup(const Group &group, Values &totals) {
  const bool bytes = codeLines(shape_.layout) == 8;
  llvm::SmallVector<Values> upper;
  for (int64_t h = 0; h < halves_; ++h)
    upper.push_back(upperBits(group, h));
  Values sums(2 * halves_, k_.constant(sumType(), 0)); // [columns 0-15 or 16-31][half]
  auto addStep = [&](int64_t step, int64_t h, Value codes) {
    Value &sum = sums[step / 4 * halves_ + h];
    sum = dot(sum, codes, activation(group.x, 0, group.xDisp + step * 4));
  };
  for (int64_t line = 0; line < codeLines(shape_.layout); ++line) {
    prefetchLine(group, line);
    for (int64_t h = 0; h < halves_; ++h) {
      Value codes = loadBytes(group.lines, group.linesDisp + line * kLineBytes + h * lanes_ * 4);
      addStep(line, h, bytes ? codes : withUpper(nibble(codes, false), upper[h], line));
      if (!bytes)
        addStep(line + 4, h, withUpper(nibble(codes, true), upper[h], line + 4));
    }
    // LLVM's scheduler would load all lines of the group at once, and spill.
    Value &last = sums[line / 4 * halves_ + halves_ - 1];
    last = k_.inOrder(last);
  }
  prefetchBehind(group);
  const Scales scales = scalesOf(group);
  for (int64_t h = 0; h < halves_; ++h)
    totals[h] = scaleSums(group, 0, sums[h], sums[halves_ + h], scales, h, totals[h]);
}

} // namespace llmc
