// An error as clients expect it: status, type, code, the field at fault, and what to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace llmc::rt::server {

/// Whose clients read it.
enum class ErrorShape : uint8_t { kOpenAi, kAnthropic };

/// The shape of the API that a path belongs to.
ErrorShape errorShapeOf(std::string_view path);

struct ApiError {
  int status = 400;
  std::string code;
  std::string message;
  std::string param;   ///< the field, or empty
  int retryAfter = 0;  ///< seconds; 0: no Retry-After

  /// The API's `type` of this status.
  std::string_view type(ErrorShape shape = ErrorShape::kOpenAi) const;
  /// {"error":{"message":...,"type":...,"param":...,"code":...}}, or
  /// {"type":"error","error":{"type":...,"message":...}}
  std::string json(ErrorShape shape = ErrorShape::kOpenAi) const;
};

/// An error, or nothing when all is well.
using ApiFault = std::optional<ApiError>;

/// 400 about a field whose value cannot be.
ApiError invalidValue(std::string param, std::string message);
/// 400 about a field that this server does not have.
ApiError unsupported(std::string param, std::string message = {});
/// The answer to what the backend or the text side refused. Only what templates (TM_*) and errors of kind kUsage say is
/// shown: others may name what is none of the client's business.
ApiError fromStatus(const Status& status);

}  // namespace llmc::rt::server
