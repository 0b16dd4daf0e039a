// Who may ask: API keys, the addresses that need one, and the names this host goes by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt::server {

/// Immutable; any thread.
class KeyRing {
 public:
  explicit KeyRing(std::vector<std::string> keys) : keys_(std::move(keys)) {}
  bool empty() const { return keys_.empty(); }

  /// Index of the key in an Authorization header ("Bearer KEY") or an x-api-key header ("KEY", as Anthropic's clients
  /// send it), or nothing; one right key of the two is enough. The time depends on the length of what was sent, not on
  /// how much of it is right. Without keys everything is 0.
  std::optional<uint32_t> check(std::string_view authorization, std::string_view apiKey = {}) const;

 private:
  uint32_t find(std::string_view given) const;
  std::vector<std::string> keys_;
};

/// True for an address of 127.0.0.0/8, ::1 and "localhost".
bool isLoopback(std::string_view host);

/// Error SV_PUBLIC_BIND (77) when `host` can be reached from outside and there is no key.
Status checkBind(std::string_view host, const KeyRing& keys);

/// Whether a Host header names this machine's loopback: else a web page could make a browser ask in its name (DNS
/// rebinding).
bool isLoopbackHostHeader(std::string_view header);

}  // namespace llmc::rt::server
