// Kinds and hints by errno.
#include "runtime/base/system_error.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace llmc::rt {

ErrorKind kindOfSystemError(int error, ErrorKind otherwise) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::kNotPermitted;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorKind::kUnavailable;
    default:
      return otherwise;
  }
}

std::string hintOfSystemError(int error, std::string otherwise) {
  switch (error) {
    case EMFILE:
      return "lift the limit of open files (ulimit -n)";
    case ENFILE:
      return "the whole system has no file left to open: close other programs";
    case ENOMEM:
      return "close other programs or lift the limit of memory (ulimit -v, the container's)";
    default:
      return otherwise;
  }
}

Status fileError(std::string code, const std::string& what, const std::string& path, int error, ErrorKind absent) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  return Status::error(kindOfSystemError(error, missing ? absent : ErrorKind::kIo), std::move(code),
                       what + " " + escaped(path) + ": " + std::strerror(error), hintOfSystemError(error));
}

}  // namespace llmc::rt
