// A file that appears whole or not at all: a locked temporary file beside the output, renamed over it at the end.
#pragma once

#include "runtime/base/status.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

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
  /// Bytes reach the file in whole blocks of 2 MiB at multiples of 2 MiB, the rest by the next other call: Linux (ext4
  /// from 6.16 on, XFS) then keeps them in huge pages, and an engine mapped from its cache is read with few TLB misses.
  rt::Status append(const void* data, uint64_t bytes);
  /// Zeros that take no room where the file system keeps holes.
  rt::Status appendHole(uint64_t bytes);
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
  rt::Status write(uint64_t offset, const char* data, uint64_t bytes);
  rt::Status flush();
  /// Lets the disk write what has been appended while more is made, so that commit() waits for little. Whether that
  /// works is for commit() to find.
  void startWriteback();

  std::string path_, temporary_;
  int fd_ = -1;
  bool renamed_ = false;  ///< over the old output, which is gone
  uint64_t size_ = 0;
  uint64_t begun_ = 0;         ///< bytes that startWriteback() has given to the disk
  std::vector<char> pending_;  ///< the last appended bytes, not in the file yet
};

}  // namespace llmc
