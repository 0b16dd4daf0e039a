// One row of x, line by line: each line is fetched beside the one that is multiplied, lines are read in the order of
// addresses, and no more than one's codes are live.
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
        addStep(line + 4, h, highCodes(codes, upper[h], line));
    }
    // LLVM's scheduler would load all lines of the group at once, and with 16 registers spill.
    Value &last = sums[line / 4 * halves_ + halves_ - 1];
    last = k_.inOrder(last);
  }
  prefetchBehind(group);
  const Scales scales = scalesOf(group);
  for (int64_t h = 0; h < halves_; ++h)
    totals[h] = scaleGroup(group, 0, sums[h], sums[halves_ + h], scales, h, totals[h]);
}

} // namespace llmc
