// Conversions at the C ABI of the Rust library.
#include "runtime/text/boundary.h"

#include "runtime/base/shortage.h"

namespace llmc::rt::text {
namespace {

/// In each program with this library, before anything of it runs: Rust's own end without memory is a signal.
[[maybe_unused]] const bool kHooked = [] {
  llmc_text_on_no_memory(endWithoutMemory);
  return true;
}();

}  // namespace

std::string take(LlmcTextBytes bytes) {
  std::string out;
  if (bytes.size > 0) out.assign(reinterpret_cast<const char*>(bytes.data), bytes.size);
  llmc_text_bytes_free(bytes);
  return out;
}

Status failure(int32_t kind, LlmcTextBytes error) {
  std::string text = take(error);
  size_t space = text.find(' ');
  std::string code = text.substr(0, space);
  std::string message = space == std::string::npos ? std::string() : text.substr(space + 1);
  ErrorKind errorKind = ErrorKind::kInternal;
  switch (kind) {
    case LLMC_TEXT_BAD_FILE:
    case LLMC_TEXT_RAISED:  // what the messages say is data, which this model's template does not take
      errorKind = ErrorKind::kBadInput;
      break;
    case LLMC_TEXT_BAD_REQUEST:
    case LLMC_TEXT_LIMIT:
      errorKind = ErrorKind::kUsage;
      break;
    case LLMC_TEXT_UNAVAILABLE:
      errorKind = ErrorKind::kUnavailable;
      break;
    default:
      break;
  }
  std::string hint =
      errorKind == ErrorKind::kUnavailable ? "lift the limits of processes and memory (ulimit -u, -v)" : "";
  return Status::error(errorKind, std::move(code), std::move(message), std::move(hint));
}

}  // namespace llmc::rt::text
