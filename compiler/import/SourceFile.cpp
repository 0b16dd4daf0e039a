// Opening and reading of input files that may be hostile: no blocking on FIFOs, no signals from files that shrink.
#include "compiler/import/SourceFile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "compiler/import/ImportError.h"
#include "runtime/base/checked.h"
#include "runtime/base/system_error.h"

namespace llmc {
namespace {

rt::Status openError(const std::string& path, int error) {
  const std::string name = shownPath(path);
  std::string reason = std::string("cannot open: ") + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR || error == ELOOP)
    return importError("IX_MISSING", {name}, reason, "check the path", rt::ErrorKind::kMissing);
  if (error == ENXIO || error == ENODEV) return importError("IX_NOT_REGULAR", {name}, "not a regular file");
  return importError("IX_OPEN", {name}, reason, rt::hintOfSystemError(error), rt::kindOfSystemError(error));
}

}  // namespace

std::string shownPath(const std::string& path) { return std::filesystem::path(path).lexically_normal().string(); }

rt::Result<std::shared_ptr<const SourceFile>> SourceFile::open(const std::string& path) {
  std::shared_ptr<SourceFile> file(new SourceFile());
  file->path_ = path;
  file->name_ = shownPath(path);
  if (path.empty() || path.find('\0') != std::string::npos)
    return importError("IX_PATH", {path}, "path is empty or holds a NUL byte");
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  do {
    file->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (file->fd_ < 0 && errno == EINTR);
  if (file->fd_ < 0) return openError(path, errno);
  struct stat info;
  if (::fstat(file->fd_, &info) != 0) return openError(path, errno);
  if (!S_ISREG(info.st_mode)) return importError("IX_NOT_REGULAR", {file->name_}, "not a regular file");
  file->size_ = static_cast<uint64_t>(info.st_size);
  file->seconds_ = info.st_mtim.tv_sec;
  file->nanoseconds_ = info.st_mtim.tv_nsec;
  return std::shared_ptr<const SourceFile>(std::move(file));
}

SourceFile::~SourceFile() {
  if (fd_ >= 0) ::close(fd_);
}

rt::Status SourceFile::read(uint64_t offset, std::span<std::byte> out) const {
  auto at = static_cast<int64_t>(offset);
  if (!rt::rangeInside(offset, out.size(), size_))
    return importError("IX_RANGE", {name_, at}, "read past the end of the file");
  struct stat info;
  bool same = ::fstat(fd_, &info) == 0 && static_cast<uint64_t>(info.st_size) == size_ &&
              info.st_mtim.tv_sec == seconds_ && info.st_mtim.tv_nsec == nanoseconds_;
  if (!same)
    return importError("IX_CHANGED", {name_, at}, "file changed while it was being read",
                       "wait until it is complete, then build again");
  size_t done = 0;
  while (done < out.size()) {
    // The kernel moves at most 2 GiB a call.
    size_t step = std::min<size_t>(out.size() - done, 1u << 30);
    ssize_t got = ::pread(fd_, out.data() + done, step, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return importError("IX_READ", {name_, at}, std::strerror(errno), {}, rt::ErrorKind::kIo);
    if (got == 0)
      return importError("IX_CHANGED", {name_, at}, "file became shorter while it was being read",
                         "wait until it is complete, then build again");
    done += static_cast<size_t>(got);
  }
  return rt::Status::ok();
}

rt::Result<std::string> SourceFile::readAll(uint64_t limit, const std::string& tooLargeCode) const {
  if (size_ > limit)
    return importError(tooLargeCode, {name_, static_cast<int64_t>(limit)},
                       "file has " + std::to_string(size_) + " bytes; at most " + std::to_string(limit) + " are read");
  std::string text(size_, '\0');
  LLMC_TRY(read(0, std::as_writable_bytes(std::span(text.data(), text.size()))));
  return text;
}

}  // namespace llmc
