// Longest suffix of the text that is a prefix of a stop string.
#include "runtime/text/stop_matcher.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "runtime/base/limits.h"

namespace llmc::rt {

bool isUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < static_cast<size_t>(more)) return false;
    uint32_t code = lead & (0x3f >> more);
    for (int j = 0; j < more; ++j) {
      const auto byte = static_cast<unsigned char>(text[i++]);
      if ((byte & 0xc0) != 0x80) return false;
      code = code << 6 | (byte & 0x3f);
    }
    static constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

Status checkStops(const std::vector<std::string>& stops) {
  const auto error = [](std::string text) { return Status::error(ErrorKind::kUsage, "CLI_STOP", std::move(text)); };
  if (stops.size() > static_cast<size_t>(limits::kStopStrings))
    return error(std::to_string(stops.size()) + " stop strings, at most " + std::to_string(limits::kStopStrings));
  for (const auto& stop : stops) {
    if (stop.empty()) return error("a stop string is empty");
    if (stop.size() > limits::kStopStringBytes)
      return error("a stop string has " + std::to_string(stop.size()) + " bytes, at most " +
                   std::to_string(limits::kStopStringBytes));
    if (!isUtf8(stop)) return error("stop string '" + escaped(stop, 60) + "' is not UTF-8");
  }
  return Status::ok();
}

std::string StopMatcher::push(std::string_view piece, bool mayEnd) {
  if (stopped_) return {};
  if (stops_.empty()) return std::string(piece);
  held_ += piece;
  if (!mayEnd) passed_ = held_.size();
  size_t first = std::string::npos;
  for (size_t i = 0; i < stops_.size(); ++i) {
    const size_t from = passed_ < stops_[i].size() ? 0 : passed_ - stops_[i].size() + 1;
    const size_t at = held_.find(stops_[i], from);
    if (at >= first) continue;
    first = at;
    found_ = i;
  }
  if (first != std::string::npos) {
    stopped_ = true;
    held_.resize(first + (showStop_ ? stops_[found_].size() : 0));
    return std::exchange(held_, {});
  }
  size_t keep = 0;
  for (const auto& stop : stops_)
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > keep; --length)
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, length))) keep = length;
  std::string certain = held_.substr(0, held_.size() - keep);
  held_.erase(0, certain.size());
  passed_ -= std::min(passed_, certain.size());
  return certain;
}

std::string StopMatcher::flush() { return std::exchange(held_, {}); }

}  // namespace llmc::rt
