// A server over the mock backend, and a client of plain sockets that sees every byte.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/server/server.h"
#include "tests/server/mock_backend.h"

namespace llmc::rt::server::test {

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;                            ///< without chunks
  /// The "data: " payloads of a stream.
  std::vector<std::string> events() const;
};

/// One connection. Reads wait at most ten seconds, a minute under a sanitizer.
class Client {
 public:
  explicit Client(uint16_t port);
  ~Client();
  void send(std::string_view bytes) const;
  /// The next answer; status 0 when the connection ended before one.
  Reply read(bool head = false);
  /// Whatever comes next, at least one byte; empty at the end.
  std::string readSome();
  /// True when the server has closed; waits.
  bool ended();
  int fd() const { return fd_; }
  void close();

 private:
  bool more();
  int fd_;
  std::string in_;
};

ModelText mockModelText();

/// A server with two I/O threads on a free port of loopback.
struct Served {
  explicit Served(MockOptions mock = {}, ServerOptions options = {});
  Reply get(const std::string& path, const std::string& headers = {}) const;
  Reply post(const std::string& path, const std::string& json, const std::string& headers = {}) const;
  /// Value of a line of /metrics that starts with `name`; -1 when there is none.
  double metric(const std::string& name) const;

  MockBackend backend;
  std::unique_ptr<Server> server;
};

std::string postText(const std::string& path, const std::string& json, const std::string& headers = {});

/// Waits up to five seconds for a condition.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace llmc::rt::server::test
