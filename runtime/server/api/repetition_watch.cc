// A tail of tokens, compared with itself one pattern further back.
#include "runtime/server/api/repetition_watch.h"

#include <algorithm>

namespace llmc::rt::server {

bool RepetitionWatch::repeats(size_t length) const {
  // Shifted by one pattern the end equals itself.
  const size_t compared = length * (rule_.count - 1);
  return compared + length <= tail_.size() && std::equal(tail_.end() - static_cast<long>(compared), tail_.end(),
                                                         tail_.end() - static_cast<long>(compared + length));
}

bool RepetitionWatch::push(int32_t token) {
  if (rule_.longest == 0) return false;
  const size_t most = size_t{rule_.longest} * rule_.count;
  if (tail_.size() >= 2 * most) tail_.erase(tail_.begin(), tail_.end() - static_cast<long>(most));
  tail_.push_back(token);
  for (size_t length = rule_.shortest; length <= rule_.longest; ++length)
    if (repeats(length)) return true;
  return false;
}

}  // namespace llmc::rt::server
