// Finds the byte of a value in JSON text that has been parsed, for the errors found in its meaning.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/import/ImportError.h"

namespace llmc {

/// Keys from the root, and numbers of elements as text: {"model", "merges", "17"}.
using JsonPath = std::vector<std::string>;

class JsonPlaces {
 public:
  /// Both must outlive this and every Place.
  JsonPlaces(const std::string& text, const std::string& file) : text_(text), file_(file) {}

  const std::string& file() const { return file_; }
  /// Byte at which the value under `path` starts, -1 when there is none. Parses the text again: for errors only.
  int64_t offsetOf(const JsonPath& path) const;
  /// That byte with the name to show.
  Place at(const JsonPath& path, std::string_view object) const { return {file_, offsetOf(path), object}; }
  /// A key of the outermost object.
  Place atKey(std::string_view key) const { return at({std::string(key)}, key); }

 private:
  const std::string& text_;
  const std::string& file_;
};

}  // namespace llmc
