// How far long work is, on one line of a terminal that is written over.
#pragma once

#include <cstdint>
#include <string>

namespace llmc::rt {

/// Says nothing of what is over within a second, nor where stderr is no terminal. Used by one thread.
class ProgressLine {
 public:
  /// `what` as in "weights from the file". Ends the line, if there is one, when it goes: also after an error.
  explicit ProgressLine(std::string what);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

  /// `done` of `total` bytes.
  void show(uint64_t done, uint64_t total);
  /// What show() writes `seconds` after the beginning; empty: nothing, it is early or the line says so already.
  std::string textAt(double seconds, uint64_t done, uint64_t total);

 private:
  const std::string what_;
  const double start_;
  int percent_ = -1;  ///< that the line says; -1: there is no line
};

}  // namespace llmc::rt
