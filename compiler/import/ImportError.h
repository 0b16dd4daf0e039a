// How errors of the importer are put together: stable code, file, byte offset, object, reason, hint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace llmc {

/// Where in the input something is wrong. Parts that are not known stay at their defaults.
struct Place {
  std::string_view file;
  int64_t offset = -1;           ///< byte in the file
  std::string_view object = {};  ///< tensor, key or token; escaped and cut to 200 characters in the message
};

/// "FILE: byte OFFSET: 'OBJECT': reason" under `code`.
rt::Status importError(std::string code, const Place& place, std::string_view reason, std::string hint = {},
                       rt::ErrorKind kind = rt::ErrorKind::kBadInput);

}  // namespace llmc
