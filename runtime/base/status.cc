// Text and exit status of a Status.
#include "runtime/base/status.h"

namespace llmc::rt {

int exitStatus(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return 64;
    case ErrorKind::kBadInput:
      return 65;
    case ErrorKind::kMissing:
      return 66;
    case ErrorKind::kUnavailable:
      return 69;
    case ErrorKind::kInternal:
      return 70;
    case ErrorKind::kDeviceFault:
      return 71;
    case ErrorKind::kWatchdog:
      return 72;
    case ErrorKind::kIo:
      return 74;
    case ErrorKind::kNotPermitted:
      return 77;
    case ErrorKind::kMismatch:
      return 78;
  }
  return 70;
}

Status Status::error(ErrorKind kind, std::string code, std::string message, std::string hint) {
  Status status;
  status.error_ = Error{kind, std::move(code), std::move(message), std::move(hint)};
  return status;
}

std::string Status::toString() const {
  if (isOk()) return "ok";
  std::string text = "error[" + error_->code + "] " + error_->message;
  if (!error_->hint.empty()) text += "; " + error_->hint;
  return text;
}

std::string escaped(std::string_view text, size_t limit) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (char c : text) {
    if (out.size() >= limit) return out + "...";
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace llmc::rt
