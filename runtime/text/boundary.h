// Crossing between the C ABI of the Rust library and C++ values; private to runtime/text.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/text/llmc_text.h"

namespace llmc::rt::text {

inline LlmcTextView view(std::string_view bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

/// Copies and frees `bytes`.
std::string take(LlmcTextBytes bytes);

/// The Status for a failed call; frees `error`. Raised by a template: code TM_RAISED.
Status failure(int32_t kind, LlmcTextBytes error);

}  // namespace llmc::rt::text
