// Moments as logs write them.
#pragma once

#include <cstdint>
#include <string>

namespace llmc::rt {

/// "2026-11-22T18:05:09.123Z" (RFC 3339) of milliseconds since 1970. Any thread.
std::string utcTimeText(int64_t unixMilliseconds);

/// Milliseconds since 1970, by the system's clock.
int64_t unixMilliseconds();

}  // namespace llmc::rt
