// What a server says while its model is being loaded: it is alive, and not ready.
#pragma once

#include <memory>

#include "runtime/server/http/listener.h"

namespace llmc::rt::server {

/// Answers on a listener until the object is destroyed: /health 200, everything else 503 with Retry-After. Afterwards
/// the listener holds who connects, as after open(). Created and destroyed by one thread; answers on one of its own.
class LoadingServer {
 public:
  /// `listener` must outlive this.
  explicit LoadingServer(Listener& listener);
  ~LoadingServer();
  LoadingServer(const LoadingServer&) = delete;
  LoadingServer& operator=(const LoadingServer&) = delete;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace llmc::rt::server
