// One mapping of memory, file-backed or anonymous, unmapped when it goes.
#pragma once

#include "runtime/base/status.h"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace llmc::rt {

/// Never writable and executable at once: anonymous memory is written, then sealed for reading or executing.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping();

  /// [offset, offset + size) of the file, private and read-only. offset: multiple of the page size.
  static Result<Mapping> ofFile(int fd, uint64_t offset, uint64_t size);
  /// Zeroed writable memory; `huge` asks for huge pages and aligns to them.
  static Result<Mapping> anonymous(uint64_t size, bool huge);

  /// What is not in the page cache yet is read into huge pages, where the file system has them.
  void preferHugePages() const;
  /// Children made by fork() do not have it: untrusted work runs in such children.
  void keepFromChildren() const;
  Status sealReadOnly();
  Status sealExecutable();

  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace llmc::rt
