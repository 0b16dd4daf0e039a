// What a failed system call means to a user: which exit status, and what to do.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Of an errno: kNotPermitted (77) without the right to it, kUnavailable (69) when descriptors or memory are used up,
/// else `otherwise`.
ErrorKind kindOfSystemError(int error, ErrorKind otherwise = ErrorKind::kIo);

/// "WHAT PATH: Permission denied" with the status of `error`: `absent` when there is no such path (kIo for outputs),
/// else as above.
Status fileError(std::string code, const std::string& what, const std::string& path, int error,
                 ErrorKind absent = ErrorKind::kMissing);

/// What lifts such a shortage ("ulimit -n"), else `otherwise`.
std::string hintOfSystemError(int error, std::string otherwise = {});

}  // namespace llmc::rt
