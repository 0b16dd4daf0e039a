// The largest of the logits of a tile and the first column that has it.
#pragma once

struct Best {
  float value;
  int column;
};
/// The larger value; of equal ones the lower column.
DEVICE Best largerOf(const Best &a, const Best &b) {
  return b.value > a.value || (b.value == a.value && b.column < a.column) ? b : a;
}
/// `x` as llm.argmax counts it: +inf when it is not finite, so that it is seen.
DEVICE Best counted(float x, int column) {
  const float most = __uint_as_float(0x7f800000u);
  return {fabsf(x) < most ? x : most, column};
}
/// What every column is larger than.
DEVICE Best noColumn() { return {__uint_as_float(0xff800000u), 0x7fffffff}; }

struct BestOf {
  DEVICE Best warp(Best best) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2)
      best = of(best, {__shfl_xor_sync(kWholeWarp, best.value, distance),
                       __shfl_xor_sync(kWholeWarp, best.column, distance)});
    return best;
  }
  DEVICE Best of(const Best &a, const Best &b) { return largerOf(a, b); }
};
template <int kThreads> DEVICE Best blockBest(Best best) { return blockReduce<BestOf, kThreads>(best); }
