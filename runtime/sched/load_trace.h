// A recorded or invented load: when requests arrive and how long they are, as JSON lines.
//
//   {"time": 0.25, "prompt": 512, "output": 128, "prefix": 7, "prefix_tokens": 400}
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt {

struct TraceRequest {
  double time = 0;      ///< seconds from the start
  uint32_t prompt = 0;  ///< tokens
  uint32_t output = 0;  ///< tokens
  /// Requests of one prefix id begin with the same tokens, as many as the shorter of the two `prefixTokens`. 0: none.
  uint64_t prefix = 0;
  uint32_t prefixTokens = 0;  ///< the whole prompt when the line has only "prefix"
  uint64_t key = 0;           ///< "key": whose request
  int32_t priority = 0;       ///< "priority"
};

/// Requests in order of time; empty lines are skipped. Error RT_TRACE (65) names line and field: not an object, a
/// missing or unknown field, a number that is negative, too large or not whole.
Result<std::vector<TraceRequest>> parseLoadTrace(std::string_view text);

}  // namespace llmc::rt
