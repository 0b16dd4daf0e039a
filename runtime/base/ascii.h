// Letters without regard to a locale.
#pragma once

#include <string>
#include <string_view>

namespace llmc::rt {

/// `text` with a to z for A to Z and all other bytes as they are: names of hosts, headers and media types.
inline std::string asciiLower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}

}  // namespace llmc::rt
