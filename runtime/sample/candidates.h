// The best k of a row of logits without sorting it: block maxima give a bound that leaves few to look at.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace llmc::rt {

struct Candidate {
  int32_t id;
  float logit;
  double weight = 0;  ///< probability up to a common factor
};

/// Best first; equal logits by ascending id, so that results do not depend on how they were found.
inline bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

/// Finds the best candidates of rows of one vocabulary. Memory is allocated once and grows to the largest k asked for.
class TopSelector {
 public:
  explicit TopSelector(uint32_t vocabulary);

  /// Looks at a new row [vocab] f32; it must stay unchanged while take() is used.
  void setRow(std::span<const float> row);

  /// All of the min(k, vocab) best and some more, by ascending id. Valid until the next call.
  std::vector<Candidate>& takeLikely(uint32_t k);

  /// Leaves the k best of those taken last, in any order, if there are more.
  std::vector<Candidate>& keepBest(uint32_t k);

  /// The min(k, vocab) best, sorted. Valid until the next call.
  std::vector<Candidate>& take(uint32_t k);

  /// All with logit >= bound, by ascending id. Valid until the next call.
  std::vector<Candidate>& takeAbove(float bound);

 private:
  std::span<const float> row_;
  std::vector<float> maxima_, order_;
  std::vector<Candidate> found_;
};

}  // namespace llmc::rt
