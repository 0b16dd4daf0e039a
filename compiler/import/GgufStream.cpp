// Window handling of GgufStream.
#include "compiler/import/GgufStream.h"

#include <algorithm>

namespace llmc {
namespace {

constexpr uint64_t kWindowBytes = 256 << 10;

}  // namespace

rt::Status GgufStream::bytes(void* out, uint64_t size) {
  if (size > remaining())
    return importError("GG_TRUNCATED", here(),
                       "file ends in the metadata: " + std::to_string(size) + " bytes wanted, " +
                           std::to_string(remaining()) + " left",
                       "the download may be incomplete");
  if (offset_ + size > rt::limits::kGgufMetadataBytes)
    return importError("GG_LIMIT", here(), "metadata is larger than 1 GiB");
  if (size > kWindowBytes) {
    LLMC_TRY(file_.read(offset_, {static_cast<std::byte*>(out), static_cast<size_t>(size)}));
    offset_ += size;
    return rt::Status::ok();
  }
  if (offset_ < windowStart_ || offset_ + size > windowStart_ + window_.size()) {
    window_.resize(static_cast<size_t>(std::min(kWindowBytes, remaining())));
    windowStart_ = offset_;
    LLMC_TRY(file_.read(windowStart_, window_));
  }
  if (size != 0) std::memcpy(out, window_.data() + (offset_ - windowStart_), static_cast<size_t>(size));
  offset_ += size;
  return rt::Status::ok();
}

rt::Status GgufStream::string(std::string& text, uint64_t limit, const char* limitCode) {
  uint64_t start = offset_, length = 0;
  LLMC_TRY(number(length));
  if (length > limit && (length <= remaining() || std::string_view(limitCode) != "GG_LIMIT"))
    return importError(
        limitCode, {file_.name(), static_cast<int64_t>(start)},
        "a string of " + std::to_string(length) + " bytes; at most " + std::to_string(limit) + " are allowed here");
  if (length > remaining())
    return importError(
        "GG_TRUNCATED", {file_.name(), static_cast<int64_t>(start)},
        "a string of " + std::to_string(length) + " bytes does not fit in the " + std::to_string(remaining()) + " left",
        "the download may be incomplete");
  text.resize(static_cast<size_t>(length));
  return bytes(text.data(), length);
}

}  // namespace llmc
