// A carriage return before each text; at most a hundred of them.
#include "runtime/main/progress_line.h"

#include <unistd.h>

#include <cstdio>

#include "runtime/device/memory.h"
#include "runtime/main/process_clock.h"

namespace llmc::rt {
namespace {

constexpr double kQuickSeconds = 1;

}  // namespace

ProgressLine::ProgressLine(std::string what) : what_(std::move(what)), start_(monotonicSeconds()) {}

ProgressLine::~ProgressLine() {
  if (percent_ >= 0) std::fputc('\n', stderr);
}

std::string ProgressLine::textAt(double seconds, uint64_t done, uint64_t total) {
  const int percent = total == 0 ? 100 : static_cast<int>(static_cast<double>(done) / static_cast<double>(total) * 100);
  if (percent == percent_ || (percent_ < 0 && (seconds < kQuickSeconds || done >= total))) return {};
  percent_ = percent;
  char number[16];
  std::snprintf(number, sizeof number, "%3d%%", percent);
  return "\r" + what_ + ": " + number + " of " + formatBytes(total);
}

void ProgressLine::show(uint64_t done, uint64_t total) {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (!terminal) return;
  const std::string text = textAt(monotonicSeconds() - start_, done, total);
  if (text.empty()) return;
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace llmc::rt
