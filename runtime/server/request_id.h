// The id that a request goes by: the client's own if it is harmless, else one of ours.
#pragma once

#include <string>
#include <string_view>

namespace llmc::rt::server {

/// True for 1 to 128 letters, digits, '-', '_', '.' and ':'; nothing that a log or a header could be broken with.
bool isSafeRequestId(std::string_view id);

/// `given` if it is safe, else 32 random hexadecimal digits. Any thread.
std::string requestIdFor(std::string_view given);

}  // namespace llmc::rt::server
