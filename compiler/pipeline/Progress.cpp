// Lines and bars.
#include "compiler/pipeline/Progress.h"

#include <cstdio>
#include <unistd.h>

namespace llmc {

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0), start_(Clock::now()) {}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

void Progress::endLine() {
  if (name_.empty() || quiet_)
    return;
  double took = std::chrono::duration<double>(Clock::now() - phaseStart_).count();
  std::fprintf(stderr, "%s%-28s %6.2f s\n", terminal_ ? "\r\033[K" : "", name_.c_str(), took);
}

void Progress::phase(const std::string &name) {
  endLine();
  name_ = name;
  phaseStart_ = drawn_ = Clock::now();
}

void Progress::advance(uint64_t done, uint64_t total) {
  auto now = Clock::now();
  if (quiet_ || !terminal_ || total == 0 || now - drawn_ < std::chrono::milliseconds(100))
    return;
  drawn_ = now;
  constexpr int kWidth = 40;
  int full = static_cast<int>(kWidth * (static_cast<double>(done) / static_cast<double>(total)));
  std::string bar(full, '#');
  bar.resize(kWidth, '.');
  std::fprintf(stderr, "\r%-28s [%s] %3d%%", name_.c_str(), bar.c_str(), static_cast<int>(100.0 * done / total));
}

void Progress::finish() {
  endLine();
  name_.clear();
}

} // namespace llmc
