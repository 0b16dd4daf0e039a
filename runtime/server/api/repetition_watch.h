// Notices that an answer ends in the same tokens over and over (vLLM's repetition_detection).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/server/api/generate_request.h"

namespace llmc::rt::server {

/// The tokens of one choice, as far back as its rule looks. One thread.
class RepetitionWatch {
 public:
  explicit RepetitionWatch(const RepetitionRule& rule) : rule_(rule) {}

  /// Adds a token. True: the answer ends in rule.count times one pattern of rule.shortest to rule.longest tokens.
  bool push(int32_t token);

 private:
  bool repeats(size_t length) const;

  const RepetitionRule rule_;
  std::vector<int32_t> tail_;
};

}  // namespace llmc::rt::server
