// The listening socket: bound before anything slow is loaded, accepting once there is a server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace llmc::rt::server {

class IoThread;
class HttpHandler;

/// Owned by one thread; accepting runs on the first I/O thread.
class Listener {
 public:
  /// The address that `host` stands for: itself, or the first that its name resolves to. Error SV_ADDRESS (64).
  static Result<std::string> resolve(const std::string& host);
  /// `host`: an address or a name. Port 0 takes a free one. Clients may connect from now on; they wait until
  /// start(). Errors: SV_ADDRESS (64) as resolve(), SV_PORT (69) when the port is taken or may not be had.
  static Result<std::unique_ptr<Listener>> open(const std::string& host, uint16_t port);
  ~Listener();

  uint16_t port() const;
  const std::string& host() const;

  /// Gets a line without its newline, on the first I/O thread; must not block.
  using Notice = std::function<void(const std::string&)>;

  /// Hands connections to `threads` in turn, which must outlive stop(). Over `mostConnections` they get 503. While no
  /// more can be accepted (no descriptor is left) they wait, which `notice` hears of, at most once a minute.
  void start(std::vector<IoThread*> threads, HttpHandler& handler, uint32_t mostConnections, Notice notice = {});
  /// Ends accepting, but keeps the port: clients wait again, until another start(). Before the I/O threads stop.
  void hold();
  /// Ends accepting; the port is free afterwards. Before the I/O threads stop.
  void stop();

 private:
  struct State;
  explicit Listener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace llmc::rt::server
