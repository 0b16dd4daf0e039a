// A file that appears whole or not at all: a locked temporary file beside the output, renamed over it at the end.
#pragma once

#include "runtime/base/status.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace llmc {

class OutputFile {
 public:
  OutputFile() = default;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() { abort(); }

  /// Errors that open() would meet in the folder of `path`: OUT_PATH (64), OUT_IO (74). Changes nothing.
  static rt::Status checkFolder(const std::string& path);

  /// Makes the temporary file ".<name>.tmp-<pid>-<n>", locked for as long as this process lives, and removes those of
  /// runs that died. An output reached through a symbolic link is replaced where the link points.
  rt::Status open(const std::string& path);
  rt::Status append(const void* data, uint64_t bytes);
  rt::Status writeAt(uint64_t offset, const void* data, uint64_t bytes);
  /// Cuts the file back to `bytes`. Requires: bytes <= size().
  rt::Status truncate(uint64_t bytes);
  uint64_t size() const { return size_; }
  /// Where the bytes are until commit().
  const std::string& temporaryPath() const { return temporary_; }

  /// Syncs (when durable) and renames over the output.
  rt::Status commit(bool durable);
  /// Removes the temporary file; nothing after commit(). Async-signal-safe.
  void abort();

 private:
  rt::Status failed(const char* what) const;

  std::string path_, temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace llmc
