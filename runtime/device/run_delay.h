// How long a thread was ready to run and had no CPU: what other processes cost it.
#pragma once

#include <cstdint>
#include <utility>

namespace llmc::rt {

/// Of the thread that calls open(); read by any. Move only.
class RunDelay {
 public:
  RunDelay() = default;
  /// One that knows nothing where the kernel keeps no such statistics, or /proc is not there.
  static RunDelay open();
  RunDelay(RunDelay&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  RunDelay& operator=(RunDelay&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~RunDelay();

  bool known() const { return file_ >= 0; }
  /// Since the thread began, without a wait that has not ended; 0 when not known.
  uint64_t nanoseconds() const;

 private:
  int file_ = -1;
};

}  // namespace llmc::rt
