// Start time from /proc/self/stat, now from CLOCK_BOOTTIME.
#include "runtime/main/process_clock.h"

#include <time.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace llmc::rt {
namespace {

double seconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Seconds after boot at which this process started.
double startSeconds() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  // The command name is in parentheses and may hold spaces; field 22 is the 20th after it.
  const auto name = line.rfind(')');
  if (name == std::string::npos) return seconds(CLOCK_BOOTTIME);
  std::istringstream fields(line.substr(name + 1));
  std::string skipped;
  for (int i = 3; i < 22; ++i) fields >> skipped;
  double ticks = 0;
  if (!(fields >> ticks)) return seconds(CLOCK_BOOTTIME);
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

double millisecondsSinceStart() {
  static const double start = startSeconds();
  return (seconds(CLOCK_BOOTTIME) - start) * 1e3;
}

double monotonicSeconds() { return seconds(CLOCK_MONOTONIC); }

double threadCpuSeconds() { return seconds(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace llmc::rt
