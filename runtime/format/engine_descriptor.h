// An engine's file, open for reading.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Closed when it goes.
class EngineDescriptor {
 public:
  EngineDescriptor() = default;
  EngineDescriptor(EngineDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}
  EngineDescriptor& operator=(EngineDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~EngineDescriptor();

  /// Errors: EN_MISSING (66), EN_IO (74, 69), EN_MAGIC for what is no regular file; they name `path`.
  static Result<EngineDescriptor> open(const std::string& path);

  int get() const { return fd_; }
  uint64_t bytes() const { return bytes_; }

 private:
  int fd_ = -1;
  uint64_t bytes_ = 0;
};

}  // namespace llmc::rt
