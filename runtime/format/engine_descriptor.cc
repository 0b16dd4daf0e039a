// Opening without waiting: a FIFO or a terminal named as an engine is refused, not read.
#include "runtime/format/engine_descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/system_error.h"

namespace llmc::rt {
namespace {

/// Another code where the file may well be there.
Status openError(const std::string& path, int error) {
  const ErrorKind kind = kindOfSystemError(error, ErrorKind::kMissing);
  return Status::error(kind, kind == ErrorKind::kUnavailable ? "EN_IO" : "EN_MISSING",
                       "cannot open engine '" + escaped(path) + "': " + std::strerror(error),
                       hintOfSystemError(error, "check the path"));
}

}  // namespace

EngineDescriptor::~EngineDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<EngineDescriptor> EngineDescriptor::open(const std::string& path) {
  EngineDescriptor file;
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file.fd_ < 0) return openError(path, errno);
  struct stat info;
  if (::fstat(file.fd_, &info) != 0)
    return Status::error(ErrorKind::kIo, "EN_IO",
                         "cannot read engine '" + escaped(path) + "': " + std::strerror(errno));
  if (!S_ISREG(info.st_mode))
    return Status::error(ErrorKind::kBadInput, "EN_MAGIC", "'" + escaped(path) + "' is not a regular file",
                         "name an engine file");
  file.bytes_ = static_cast<uint64_t>(info.st_size);
  return file;
}

}  // namespace llmc::rt
