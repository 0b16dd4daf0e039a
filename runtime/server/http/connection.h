// One TCP connection: reads requests one after the other, sends their answers in order, and notices when the peer goes.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/server/http/exchange.h"
#include "runtime/server/http/request_reader.h"

namespace llmc::rt::server {

/// Lives on one I/O thread, owned by it and by its exchange; no locks. A request is handed to the handler when it is
/// complete, the next one when that is answered.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  Connection(Socket socket, IoThread& io, HttpHandler& handler);

  void start();
  void tick();
  void close();
  void drain();     ///< closes once nothing is asked of it
  void shutDown();  ///< closes, after an answer that runs
  IoThread& io() const { return io_; }
  const boost::asio::ip::tcp::endpoint& peer() const { return peer_; }

  // For Exchange.
  void send(std::string_view bytes);
  void stream(std::string_view piece);
  void endChunks();
  void closeAfter() { closeAfter_ = true; }
  bool closesAfter() const { return closeAfter_; }
  size_t buffered() const { return out_.size() - sent_ + pieces_.size(); }
  void exchangeEnded(const Exchange& exchange);
  void flush();

 private:
  void waitReadable();
  void onReadable();
  void process();
  void refuse(int status, const std::string& reason);
  void finishPieces();
  void flushLater();
  void waitWritable();
  void startLingering();
  void touch();
  bool unused() const;  ///< no byte of a request or an answer is here

  Socket socket_;
  boost::asio::ip::tcp::endpoint peer_;
  IoThread& io_;
  HttpHandler& handler_;
  RequestReader reader_;
  std::string in_;      ///< read, not parsed
  std::string out_;     ///< framed, from sent_ on not sent
  std::string pieces_;  ///< of a stream, not framed
  size_t sent_ = 0;
  std::shared_ptr<Exchange> current_;
  double since_ = 0;     ///< when the present phase of reading began, as IoThread::now()
  double progress_ = 0;  ///< when the peer last took bytes
  bool reading_ = false, writeWaiting_ = false, flushQueued_ = false, processing_ = false, bodyPhase_ = false;
  bool chunked_ = false, closeAfter_ = false, lingering_ = false, closed_ = false, wasFull_ = false;
  bool served_ = false;  ///< a request was complete
};

}  // namespace llmc::rt::server
