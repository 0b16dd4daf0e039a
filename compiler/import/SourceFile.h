// One input file, read only through pread so that a file that shrinks gives an error and never a signal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/status.h"

namespace llmc {

/// An open regular file (symbolic links are followed). Reads check that the file is still the one that was opened.
/// Const member functions may be called from several threads.
class SourceFile {
 public:
  /// Opens `path` without ever blocking: FIFOs, sockets, devices and folders give IX_NOT_REGULAR, an absent file
  /// IX_MISSING (exit 66).
  static rt::Result<std::shared_ptr<const SourceFile>> open(const std::string& path);
  ~SourceFile();
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;

  const std::string& path() const { return path_; }
  /// The path without detours (shownPath): the form that goes into errors.
  const std::string& name() const { return name_; }
  /// Bytes when opened.
  uint64_t size() const { return size_; }

  /// Reads exactly out.size() bytes at `offset`; IX_CHANGED when the file has another size or time than when it was
  /// opened.
  rt::Status read(uint64_t offset, std::span<std::byte> out) const;
  /// The whole file as text; more than `limit` bytes gives error `tooLargeCode`.
  rt::Result<std::string> readAll(uint64_t limit, const std::string& tooLargeCode) const;

 private:
  SourceFile() = default;

  std::string path_, name_;
  uint64_t size_ = 0;
  int64_t seconds_ = 0, nanoseconds_ = 0;  // modification time when opened
  int fd_ = -1;
};

/// `path` as errors name it: one that the user can open from where the program was started, without "//" and "/./".
std::string shownPath(const std::string& path);

}  // namespace llmc
