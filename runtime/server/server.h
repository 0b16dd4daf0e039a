// The server: connections on a few threads, prompts prepared on others, tokens from a backend.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/limits.h"
#include "runtime/base/status.h"
#include "runtime/server/access_log.h"
#include "runtime/server/api/prompt_encoder.h"
#include "runtime/server/backend.h"
#include "runtime/server/http/listener.h"
#include "runtime/server/metrics.h"

namespace llmc::rt::server {

struct ServerOptions {
  std::vector<std::string> apiKeys;  ///< none: everybody who can connect may ask
  bool openMetrics = false;          ///< /metrics needs no key, for scrapers that cannot send one
  uint32_t ioThreads = 2;
  uint32_t prepareThreads = 2;  ///< templates and tokenizers of short bodies; long ones have one more thread
  double clockRate = 1;         ///< seconds of the timeouts in one of the clock's, see IoThread
  uint32_t mostConnections = limits::kConnections;
  std::FILE* accessLog = nullptr;  ///< not owned; null: none
  LogFormat logFormat = LogFormat::kText;
  /// Hears of lines that the access log loses, and of connections that cannot be accepted. Any thread; must not call
  /// back. None: nobody does.
  AccessLog::Notice notice = {};
  MetricsOptions metrics;
  std::string version = "0.0.0";  ///< of /version
  std::optional<uint64_t> seed;   ///< of requests that bring none: it and their order decide; unset: random
  /// Called on an I/O thread when it gets its first connection: a watcher that sleeps may wake. None: nobody does.
  std::function<void()> busy = {};
};

/// Signs of life of an I/O thread.
struct IoSign {
  uint64_t asked = 0, answered = 0;  ///< calls of Server::askIo(), and those of them that the thread has come to
  uint32_t connections = 0;
  double cpuSeconds = 0;  ///< what the thread has computed since it began
};

/// Created, drained and stopped by one thread; serves on threads of its own.
class Server {
 public:
  /// Serves from now on. `backend` must outlive the server. Error SV_PUBLIC_BIND (77): reachable from outside without
  /// a key.
  static Result<std::unique_ptr<Server>> create(ServerOptions options, std::unique_ptr<Listener> listener,
                                                Backend& backend, ModelText text);
  ~Server();

  uint16_t port() const;
  /// What /ready says; true from create() on. False after the backend broke.
  void setReady(bool ready);

  /// Readiness first: /ready and new generations get 503, idle connections close, running answers go on. Returns at
  /// once.
  void drain();
  /// Waits until no request is answered, at most `seconds`. True: none is left.
  bool waitUntilIdle(double seconds);
  /// Requests that are being answered.
  uint32_t load() const;

  /// Each I/O thread that owes no answer is asked for a sign of life. Any thread.
  void askIo();
  /// One a thread; none after stop(). Any thread.
  std::vector<IoSign> ioSigns() const;
  /// Answers that still run end with an error event, on the I/O threads; returns at once. Any thread.
  void cutAnswers();

  /// Answers that still run end with an error event; then everything closes. Events that come later are dropped.
  void stop();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace llmc::rt::server
