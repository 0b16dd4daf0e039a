// Writes to stdout that notice when nobody can read them.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace llmc::rt {

/// Writes all of `text` to stdout at once, unbuffered. Error CLI_OUTPUT (74).
Status writeOutput(std::string_view text);

/// Writes `text` and a newline to stderr; errors are ignored, there is nowhere to report them. Any thread.
void writeNotice(std::string_view text);

/// The same with Status::toString(). Requires: not ok.
void writeError(const Status& status);

/// What they write.
std::string noticeLine(std::string_view text);
std::string errorLine(const Status& status);

/// From here on a notice is one line, {"time":"2026-11-22T18:05:09.123Z","level":"info","message":"..."}, as lines of
/// the access log are; an error has the level "error" and its "code".
void writeNoticesAsJson();

}  // namespace llmc::rt
