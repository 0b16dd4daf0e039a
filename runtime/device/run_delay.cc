// The second number of /proc/thread-self/schedstat.
#include "runtime/device/run_delay.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

namespace llmc::rt {

RunDelay RunDelay::open() {
  RunDelay delay;
  delay.file_ = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  return delay;
}

RunDelay::~RunDelay() {
  if (file_ >= 0) ::close(file_);
}

uint64_t RunDelay::nanoseconds() const {
  char bytes[96];
  const ssize_t size = file_ < 0 ? 0 : ::pread(file_, bytes, sizeof bytes, 0);
  const std::string_view text(bytes, size > 0 ? static_cast<size_t>(size) : 0);
  const size_t second = text.find(' ') + 1;  // npos + 1: 0
  uint64_t value = 0;
  if (second > 0) (void)std::from_chars(text.data() + second, text.data() + text.size(), value);
  return value;
}

}  // namespace llmc::rt
