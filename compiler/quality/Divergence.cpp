// KL divergence of softmaxes by shifted exponentials.
#include "compiler/quality/Divergence.h"

#include <algorithm>
#include <cmath>

namespace llmc {

RowComparison compareRows(std::span<const float> reference, std::span<const float> other, int32_t next) {
  RowComparison row;
  size_t top = 0, otherTop = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    // Comparisons with NaN are false, so it is looked for by itself.
    if (!std::isfinite(reference[i]) || !std::isfinite(other[i]))
      return row;
    top = reference[i] > reference[top] ? i : top;
    otherTop = other[i] > other[otherTop] ? i : otherTop;
  }
  // KL = sum p (a - b) - (ln Za - ln Zb) with a, b the logits less their maxima and p = exp(a) / Za.
  const double shift = reference[top], otherShift = other[otherTop];
  double sum = 0, otherSum = 0, cross = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    double a = reference[i] - shift, b = other[i] - otherShift, weight = std::exp(a);
    sum += weight;
    otherSum += std::exp(b);
    cross += weight * (a - b);
  }
  double logSum = std::log(sum), otherLogSum = std::log(otherSum);
  row.finite = true;
  row.sameTop = top == otherTop;
  row.divergence = std::max(0.0, cross / sum - logSum + otherLogSum);
  if (next >= 0) {
    row.referenceLoss = logSum - (reference[static_cast<size_t>(next)] - shift);
    row.otherLoss = otherLogSum - (other[static_cast<size_t>(next)] - otherShift);
  }
  return row;
}

void DivergenceSum::add(const RowComparison &row, bool hasNext) {
  divergences_.push_back(row.divergence);
  sum_ += row.divergence;
  same_ += row.sameTop;
  if (!hasNext)
    return;
  ++scored_;
  referenceLoss_ += row.referenceLoss;
  otherLoss_ += row.otherLoss;
}

Divergence DivergenceSum::result() const {
  Divergence result;
  size_t rows = divergences_.size();
  if (rows == 0)
    return result;
  std::vector<double> sorted = divergences_;
  std::sort(sorted.begin(), sorted.end());
  result.rows = static_cast<uint32_t>(rows);
  result.scored = scored_;
  result.mean = sum_ / static_cast<double>(rows);
  result.median = (sorted[(rows - 1) / 2] + sorted[rows / 2]) / 2;
  result.p99 = sorted[(rows * 99 + 99) / 100 - 1];
  result.sameTop = static_cast<double>(same_) / static_cast<double>(rows);
  if (scored_ > 0) {
    result.referenceLoss = referenceLoss_ / scored_;
    result.otherLoss = otherLoss_ / scored_;
  }
  return result;
}

} // namespace llmc
