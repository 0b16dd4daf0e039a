// Status and Result<T>: how the runtime reports what was expected, what was found, where, and what to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace llmc::rt {

/// Kind of failure; each maps to one process exit status (sysexits) through exitStatus().
enum class ErrorKind : uint8_t {
  kUsage,         ///< 64: a flag or request that cannot be understood
  kBadInput,      ///< 65: a file whose bytes are wrong
  kMissing,       ///< 66: a file that is not there
  kUnavailable,   ///< 69: memory, device or port that cannot be had
  kInternal,      ///< 70: a broken invariant of ours
  kDeviceFault,   ///< 71: a device that failed while running
  kWatchdog,      ///< 72: a step that never ended
  kIo,            ///< 74: read or write failed
  kNotPermitted,  ///< 77: not allowed (also: skipped test)
  kMismatch,      ///< 78: an engine for another format version, CPU or GPU
};

int exitStatus(ErrorKind kind);

/// Success, or an error with a stable code ("EN_DIGEST"), a message and an optional hint. Cheap to move; success
/// allocates nothing.
class [[nodiscard]] Status {
 public:
  Status() = default;
  static Status ok() { return {}; }
  static Status error(ErrorKind kind, std::string code, std::string message, std::string hint = {});

  bool isOk() const { return !error_.has_value(); }
  explicit operator bool() const { return isOk(); }

  /// Requires: !isOk().
  ErrorKind kind() const { return error_->kind; }
  const std::string& code() const { return error_->code; }
  const std::string& message() const { return error_->message; }
  const std::string& hint() const { return error_->hint; }

  /// "error[EN_DIGEST] message; hint", or "ok".
  std::string toString() const;

 private:
  struct Error {
    ErrorKind kind;
    std::string code, message, hint;
  };
  std::optional<Error> error_;
};

/// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit on purpose

  bool isOk() const { return value_.has_value(); }
  explicit operator bool() const { return isOk(); }
  const Status& status() const { return status_; }
  Status takeStatus() { return std::move(status_); }

  /// Requires: isOk().
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
  Status status_;
};

/// `text` with control and non-ASCII bytes escaped and cut at `limit` characters: safe to print names found in files.
std::string escaped(std::string_view text, size_t limit = 200);

}  // namespace llmc::rt

/// Returns the Status of `expr` from the enclosing function if it is an error.
#define LLMC_TRY(expr)                                               \
  do {                                                               \
    if (auto llmcStatus_ = (expr); !llmcStatus_) return llmcStatus_; \
  } while (false)
