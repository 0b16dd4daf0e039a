// One request and its answer: whole, or as a stream of pieces.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/server/http/message.h"

namespace llmc::rt::server {

class Connection;
class IoThread;

/// What happens to an exchange while it is answered. Called on the connection's I/O thread.
class ExchangeListener {
 public:
  virtual ~ExchangeListener() = default;
  /// The client is gone or does not read: nothing can be sent any more. Not called after the answer's end.
  virtual void onClosed() = 0;
  /// The send buffer, which was full, has room again.
  virtual void onWritable() = 0;
  /// The request is as old as limits::kRequestSeconds.
  virtual void onDeadline() = 0;
  /// The server stops; what can be said to the client must be said now.
  virtual void onShutdown() = 0;
};

/// All functions belong to the connection's I/O thread; the object may be destroyed on any. Calls after the end do
/// nothing.
class Exchange {
 public:
  Exchange(std::shared_ptr<Connection> connection, HttpRequest received, double now);
  ~Exchange();

  HttpRequest request;
  std::string requestId;  ///< sent back as X-Request-Id
  double started = 0;     ///< IoThread::now() when the request was complete
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
  uint32_t apiKey = 0;
  // For the access log.
  int status = 0;
  uint64_t bytesOut = 0;
  uint64_t promptTokens = 0, completionTokens = 0;
  std::string_view finish;  ///< static text, or empty
  /// Address and port of the client, or of the proxy before it.
  std::string client() const;

  /// The I/O thread; lives longer than any exchange.
  IoThread& io() const { return io_; }
  bool open() const { return connection_ != nullptr; }

  void respond(const HttpResponse& response);

  /// Status 200 and the headers of an event stream.
  void beginStream(std::string_view contentType);
  bool streaming() const { return streaming_; }
  /// Pieces that are written before the thread turns to other work leave together.
  void write(std::string_view piece);
  void endStream();
  /// Closes the connection after what was written, without the mark of a complete answer.
  void abort();
  /// Bytes that the client has not taken yet.
  size_t buffered() const;

  /// `listener` is told until the answer's end.
  void listen(std::shared_ptr<ExchangeListener> listener) { listener_ = std::move(listener); }

 private:
  friend class Connection;
  std::string head(int status, std::string_view contentType) const;
  void end();

  std::shared_ptr<Connection> connection_;  ///< null after the end
  const boost::asio::ip::tcp::endpoint peer_;
  IoThread& io_;
  std::shared_ptr<ExchangeListener> listener_;
  bool streaming_ = false;
};

/// Answers requests. handle() runs on the connection's I/O thread and must not block it.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void handle(std::shared_ptr<Exchange> exchange) = 0;
  /// After the last byte was handed to the connection, or the client went away (status 499 then).
  virtual void finished(const Exchange& exchange) = 0;
  /// Connections close after the answer that they carry, and idle ones at once.
  virtual bool draining() const = 0;
};

}  // namespace llmc::rt::server
