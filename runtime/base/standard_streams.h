// Makes file descriptors 0, 1 and 2 safe to use, whoever started the program.
#pragma once

namespace llmc::rt {

/// A program started with a standard descriptor closed (`>&-`) would get that number for the first file it opens, and
/// then print into an engine or read a prompt from it. Closed ones are opened on /dev/null here, in the direction that
/// fails, so reads find the end and writes give EBADF. Writes to a pipe without a reader give EPIPE from now on, and
/// those over the file size limit EFBIG: errors, not signals. Call first in main().
void secureStandardStreams();

}  // namespace llmc::rt
