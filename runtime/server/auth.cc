// Comparison without an early end.
#include "runtime/server/auth.h"

#include <algorithm>

#include "runtime/base/ascii.h"

namespace llmc::rt::server {
namespace {

/// 1 when equal, else 0, by arithmetic alone: a branch on the bytes would tell how many are right.
uint32_t equalTo(std::string_view key, std::string_view given) {
  uint64_t different = key.size() ^ given.size();
  for (size_t i = 0; i < given.size(); ++i)
    different |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(key[i % key.size()]);
  return different == 0;
}

}  // namespace

/// Index + 1, or 0.
uint32_t KeyRing::find(std::string_view given) const {
  uint32_t found = 0;
  for (uint32_t i = 0; i < keys_.size(); ++i)
    if (!keys_[i].empty()) found |= (0u - equalTo(keys_[i], given)) & (i + 1);
  return found;
}

std::optional<uint32_t> KeyRing::check(std::string_view authorization, std::string_view apiKey) const {
  if (keys_.empty()) return 0;
  constexpr std::string_view kScheme = "bearer ";
  bool bearer = authorization.size() > kScheme.size();
  for (size_t i = 0; bearer && i < kScheme.size(); ++i) bearer = (authorization[i] | 0x20) == (kScheme[i] | 0x20);
  const uint32_t first = bearer ? find(authorization.substr(kScheme.size())) : 0, second = find(apiKey);
  const uint32_t found = first != 0 ? first : second;
  return found == 0 ? std::nullopt : std::optional<uint32_t>(found - 1);
}

bool isLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "[::1]" ||
         (host.starts_with("127.") &&
          std::all_of(host.begin(), host.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); }));
}

Status checkBind(std::string_view host, const KeyRing& keys) {
  if (isLoopback(host) || !keys.empty()) return Status::ok();
  return Status::error(ErrorKind::kNotPermitted, "SV_PUBLIC_BIND",
                       "address " + escaped(host, 60) + " can be reached from outside and no API key is set",
                       "give --api-key or --api-key-file, or listen on 127.0.0.1");
}

bool isLoopbackHostHeader(std::string_view header) {
  const size_t colon = header.find(':', header.starts_with("[") ? header.find(']') : 0);
  const std::string_view port = colon == std::string_view::npos ? "" : header.substr(colon + 1);
  return isLoopback(asciiLower(header.substr(0, colon))) &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace llmc::rt::server
