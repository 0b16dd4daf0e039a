// Progress of a build on stderr: a line a phase, a bar while bytes are packed when stderr is a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace llmc {

class Progress {
public:
  explicit Progress(bool quiet);
  /// Starts a phase; the line gets its seconds when the next one starts or at finish().
  void phase(const std::string &name);
  /// Share done of the current phase; drawn on terminals only, ten times a second at most.
  void advance(uint64_t done, uint64_t total);
  void finish();
  /// Seconds since construction.
  double seconds() const;

private:
  void endLine();

  using Clock = std::chrono::steady_clock;
  bool quiet_, terminal_;
  Clock::time_point start_, phaseStart_, drawn_;
  std::string name_;
};

} // namespace llmc
