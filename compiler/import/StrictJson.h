// JSON of model files, read strictly: one spelling, no duplicate keys, bounded depth and size.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/base/status.h"

namespace llmc {

/// Parses `text`. Errors are <prefix>_JSON, <prefix>_DEPTH (more than 64), <prefix>_DUP, <prefix>_TYPE (a number no
/// double can hold) and <prefix>_TOO_LARGE (too many values), with the byte offset.
rt::Result<nlohmann::json> parseStrictJson(const std::string& text, const std::string& file, const std::string& prefix);

}  // namespace llmc
