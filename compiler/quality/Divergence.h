// Arithmetic of comparing two models' rows of logits, in double, and what many rows amount to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace llmc {

/// One position seen by two models.
struct RowComparison {
  double divergence = 0;                   ///< KL(reference || other) of the softmaxes, nats, >= 0
  bool sameTop = false;                    ///< both have their largest logit at the same token (the first of equals)
  double referenceLoss = 0, otherLoss = 0; ///< -ln p(next token); 0 when there is none
  bool finite = false;                     ///< false: a logit is NaN or infinite, the rest is void
};

/// reference, other: [vocab] logits. next: id of the token that follows, -1: unknown.
RowComparison compareRows(std::span<const float> reference, std::span<const float> other, int32_t next);

/// Statistics over rows. Sums run in order of the rows: equal input gives equal bits.
struct Divergence {
  double mean = 0, median = 0, p99 = 0;    ///< nats; p99: the smallest value that 99% of the rows do not exceed
  double sameTop = 0;                      ///< share of rows, 0 to 1
  double referenceLoss = 0, otherLoss = 0; ///< mean over the rows that have a next token, nats
  uint32_t rows = 0, scored = 0;           ///< scored: rows with a next token
};

/// Collects rows; memory is a few words a row.
class DivergenceSum {
public:
  /// hasNext: the row was compared with a next token.
  void add(const RowComparison &row, bool hasNext);
  Divergence result() const;

private:
  std::vector<double> divergences_;
  double sum_ = 0, referenceLoss_ = 0, otherLoss_ = 0;
  uint32_t same_ = 0, scored_ = 0;
};

} // namespace llmc
