// Random ids, unique among replicas.
#include "runtime/server/request_id.h"

#include <algorithm>
#include <cstdint>
#include <random>

#include "runtime/base/limits.h"

namespace llmc::rt::server {

bool isSafeRequestId(std::string_view id) {
  return !id.empty() && id.size() <= limits::kRequestIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  });
}

std::string requestIdFor(std::string_view given) {
  if (isSafeRequestId(given)) return std::string(given);
  thread_local std::mt19937_64 random{uint64_t{std::random_device{}()} << 32 | std::random_device{}()};
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (int word = 0; word < 2; ++word)
    for (uint64_t bits = random(), i = 0; i < 16; ++i, bits >>= 4) out += kHex[bits & 15];
  return out;
}

}  // namespace llmc::rt::server
