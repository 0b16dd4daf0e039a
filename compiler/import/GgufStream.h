// Buffered forward reading of a GGUF's metadata, with errors instead of reads past the end.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "compiler/import/ImportError.h"
#include "compiler/import/SourceFile.h"
#include "runtime/base/limits.h"

namespace llmc {

class GgufStream {
 public:
  explicit GgufStream(const SourceFile& file) : file_(file) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return file_.size() - offset_; }
  Place here(std::string_view object = {}) const { return {file_.name(), static_cast<int64_t>(offset_), object}; }

  /// Copies `size` bytes to `out`; GG_TRUNCATED when the file has fewer.
  rt::Status bytes(void* out, uint64_t size);
  /// A little-endian number.
  template <typename T>
  rt::Status number(T& value) {
    return bytes(&value, sizeof(T));
  }
  /// A string: u64 length, then bytes. More than `limit` bytes give `limitCode`.
  rt::Status string(std::string& text, uint64_t limit, const char* limitCode);

 private:
  const SourceFile& file_;
  uint64_t offset_ = 0;       // of the next byte in the file
  uint64_t windowStart_ = 0;  // of window_[0] in the file
  std::vector<std::byte> window_;
};

}  // namespace llmc
