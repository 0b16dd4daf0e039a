// Finds stop strings in streamed text without ever showing a part of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Error CLI_STOP (64): too many, empty, too long, or not UTF-8.
Status checkStops(const std::vector<std::string>& stops);

/// Text comes in pieces of whole characters; what may be the start of a stop string is held back until it is certain.
class StopMatcher {
 public:
  /// `showStop`: the stop string itself is part of the text that is shown. Requires: checkStops(stops).
  explicit StopMatcher(std::vector<std::string> stops, bool showStop = false)
      : stops_(std::move(stops)), showStop_(showStop) {}

  /// Text that may be shown now. After a stop string was completed stopped() is true and nothing more comes.
  /// `mayEnd`: stop strings that end in this piece count; in one where they do not, one may still begin.
  std::string push(std::string_view piece, bool mayEnd = true);
  /// What is held back, at the end of the text.
  std::string flush();
  bool stopped() const { return stopped_; }
  /// The stop string that was completed. Requires: stopped().
  const std::string& found() const { return stops_[found_]; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  size_t passed_ = 0;  ///< bytes at the front of held_ in which no stop string may end
  bool showStop_ = false;
  bool stopped_ = false;
  size_t found_ = 0;  ///< index in stops_
};

/// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms).
bool isUtf8(std::string_view text);

}  // namespace llmc::rt
