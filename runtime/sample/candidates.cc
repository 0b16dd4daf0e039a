// k block maxima that are >= t prove that k entries are >= t: so no entry below t can be among the k best.
#include "runtime/sample/candidates.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

#include "runtime/sample/vocab_scan.h"

namespace llmc::rt {

TopSelector::TopSelector(uint32_t vocabulary) : maxima_(scanBlocks(vocabulary)), order_(scanBlocks(vocabulary)) {
  found_.reserve(4096);
}

void TopSelector::setRow(std::span<const float> row) {
  row_ = row;
  blockMaxima(row.data(), static_cast<uint32_t>(row.size()), maxima_.data());
}

std::vector<Candidate>& TopSelector::takeAbove(float bound) {
  const auto count = static_cast<uint32_t>(row_.size());
  found_.clear();
  for (uint32_t block = 0; block < maxima_.size(); ++block) {
    if (maxima_[block] < bound) continue;
    const uint32_t begin = block * kScanBlock;
    uint64_t above = 0;
    if (begin + kScanBlock <= count)
      above = atLeast(row_.data() + begin, bound);
    else
      for (uint32_t i = begin; i < count; ++i) above |= uint64_t{row_[i] >= bound} << (i - begin);
    for (; above; above &= above - 1) {
      const uint32_t i = begin + static_cast<uint32_t>(std::countr_zero(above));
      Candidate& candidate =
          found_.emplace_back();  // a copy of one made elsewhere waits for its stores: half of all time
      candidate.id = static_cast<int32_t>(i);
      candidate.logit = row_[i];
    }
  }
  return found_;
}

std::vector<Candidate>& TopSelector::takeLikely(uint32_t k) {
  float bound = -std::numeric_limits<float>::infinity();
  if (k > 0 && k <= maxima_.size()) {
    order_ = maxima_;  // same size: no allocation
    std::nth_element(order_.begin(), order_.begin() + (k - 1), order_.end(), std::greater<>());
    bound = order_[k - 1];
  }
  return takeAbove(bound);
}

std::vector<Candidate>& TopSelector::keepBest(uint32_t k) {
  if (found_.size() > k) {
    std::nth_element(found_.begin(), found_.begin() + k, found_.end(), better);
    found_.resize(k);
  }
  return found_;
}

std::vector<Candidate>& TopSelector::take(uint32_t k) {
  takeLikely(k);
  keepBest(k);
  std::sort(found_.begin(), found_.end(), better);
  return found_;
}

}  // namespace llmc::rt
