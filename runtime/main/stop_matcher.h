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
  /// Requires: checkStops(stops).
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// Text that may be shown now. After a stop string was completed stopped() is true and nothing more comes.
  std::string push(std::string_view piece);
  /// What is held back, at the end of the text.
  std::string flush();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

/// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms).
bool isUtf8(std::string_view text);

}  // namespace llmc::rt
