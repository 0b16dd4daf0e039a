// Numbers as /metrics writes them.
#pragma once

#include <charconv>
#include <string>

namespace llmc::rt::server {

/// The shortest text that reads back as `value`.
inline std::string numberText(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace llmc::rt::server
