// Reads and writes are done when the socket is ready, into the thread's scratch and from one buffer: an idle connection
// holds almost nothing.
#include "runtime/server/http/connection.h"

#include <boost/asio/buffer.hpp>
#include <charconv>

#include "runtime/base/limits.h"
#include "runtime/server/api/api_error.h"
#include "runtime/server/http/io_thread.h"
#include "runtime/server/request_id.h"

namespace llmc::rt::server {
namespace {

using ErrorCode = boost::system::error_code;
constexpr double kLingerSeconds = 2;

bool wouldBlock(const ErrorCode& error) {
  return error == boost::asio::error::would_block || error == boost::asio::error::try_again ||
         error == boost::asio::error::interrupted;
}

/// A string that a large request has grown gives its memory back.
void release(std::string& text) {
  if (text.empty() && text.capacity() > 8192) std::string().swap(text);
}

}  // namespace

Connection::Connection(Socket socket, IoThread& io, HttpHandler& handler)
    : socket_(std::move(socket)), io_(io), handler_(handler), since_(io.now()), progress_(io.now()) {}

void Connection::start() {
  ErrorCode ignored;
  peer_ = socket_.remote_endpoint(ignored);
  socket_.non_blocking(true, ignored);
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  io_.add(shared_from_this());
  waitReadable();
}

void Connection::touch() { since_ = io_.now(); }

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  const auto self = shared_from_this();
  ErrorCode ignored;
  socket_.close(ignored);
  if (auto exchange = std::move(current_)) {
    exchange->connection_ = nullptr;
    exchange->status = 499;  // nginx's number for it
    if (auto listener = std::move(exchange->listener_)) listener->onClosed();
    handler_.finished(*exchange);
  }
  io_.remove(self);
}

void Connection::drain() {
  if (current_) closeAfter_ = true;
  // A request that is on its way, or the first one of a new connection, is still answered; process() closes after it.
  ErrorCode error;
  if (!current_ && served_ && unused() && socket_.available(error) == 0) close();
}

void Connection::shutDown() {
  if (closed_) return;
  closeAfter_ = true;
  if (!current_ && unused()) return close();
  if (current_ && current_->listener_) std::shared_ptr(current_->listener_)->onShutdown();
}

bool Connection::unused() const {
  return in_.empty() && buffered() == 0 && reader_.state() == RequestReader::State::kHead;
}

void Connection::waitReadable() {
  if (reading_ || closed_) return;
  if (current_ && in_.size() > limits::kReadAheadBytes) return;
  reading_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const ErrorCode& error) {
    self->reading_ = false;
    if (!error && !self->closed_) self->onReadable();
  });
}

void Connection::onReadable() {
  ErrorCode error;
  auto& scratch = io_.scratch();
  const size_t count = socket_.read_some(boost::asio::buffer(scratch), error);
  if (error && wouldBlock(error)) return waitReadable();
  // An end of input is an end: a client that half-closes is not distinguished from one that left.
  if (error || count == 0) return close();
  if (!lingering_) {
    if (in_.empty() && !current_ && reader_.state() == RequestReader::State::kHead) touch();
    in_.append(scratch.data(), count);
    process();
  }
  waitReadable();
}

void Connection::process() {
  if (processing_) return;  // an answer that was given at once; the loop below goes on
  processing_ = true;
  while (!closed_ && !lingering_ && !current_ && !in_.empty() && !closeAfter_) {
    const auto state = reader_.feed(in_);
    if (state == RequestReader::State::kFailed) {
      refuse(reader_.status(), reader_.reason());
      break;
    }
    if (state == RequestReader::State::kBody && reader_.takeContinue() && in_.empty())
      send("HTTP/1.1 100 Continue\r\n\r\n");
    if (state == RequestReader::State::kBody && !bodyPhase_) {
      bodyPhase_ = true;
      touch();
    }
    if (state != RequestReader::State::kDone) break;
    bodyPhase_ = false;
    served_ = true;
    HttpRequest request = reader_.take();
    release(in_);
    if (!request.keepAlive || handler_.draining()) closeAfter_ = true;
    current_ = std::make_shared<Exchange>(shared_from_this(), std::move(request), io_.now());
    auto exchange = current_;
    handler_.handle(std::move(exchange));
  }
  processing_ = false;
}

void Connection::refuse(int status, const std::string& reason) {
  closeAfter_ = true;
  current_ = std::make_shared<Exchange>(shared_from_this(), HttpRequest{}, io_.now());
  auto exchange = current_;
  exchange->requestId = requestIdFor({});
  exchange->request.method = reader_.method();
  exchange->request.path = reader_.path();
  const ApiError error{status, status == 408 ? "timeout" : "invalid_http", reason, {}};
  exchange->respond({status, error.json(errorShapeOf(reader_.path()))});
}

void Connection::exchangeEnded(const Exchange& exchange) {
  if (current_.get() != &exchange) return;
  const auto self = shared_from_this();
  finishPieces();
  chunked_ = false;
  wasFull_ = false;
  const auto done = std::move(current_);
  current_ = nullptr;
  touch();
  flushLater();
  handler_.finished(*done);
  if (closeAfter_ || in_.empty() || processing_) return;
  io_.post([self] {
    self->process();
    self->waitReadable();
  });
}

void Connection::send(std::string_view bytes) {
  if (buffered() == 0) progress_ = io_.now();
  out_ += bytes;
  flushLater();
}

void Connection::stream(std::string_view piece) {
  if (buffered() == 0) progress_ = io_.now();
  chunked_ = !current_ || !current_->request.http10;
  pieces_ += piece;
  // Here, not after a flush: whoever saw a full buffer must hear of room, even if the next flush empties it.
  if (buffered() > limits::kSendBufferBytes) wasFull_ = true;
  flushLater();
}

void Connection::finishPieces() {
  if (pieces_.empty()) return;
  if (chunked_) {
    char size[20];
    out_.append(size, std::to_chars(size, size + sizeof size, pieces_.size(), 16).ptr);
    out_ += "\r\n";
  }
  out_ += pieces_;
  if (chunked_) out_ += "\r\n";
  pieces_.clear();
}

void Connection::endChunks() {
  if (current_ && current_->request.http10) return;
  finishPieces();
  out_ += "0\r\n\r\n";
}

void Connection::flushLater() {
  if (flushQueued_ || closed_) return;
  flushQueued_ = true;
  io_.flushLater(shared_from_this());
}

void Connection::flush() {
  flushQueued_ = false;
  if (closed_ || writeWaiting_) return;
  finishPieces();
  while (sent_ < out_.size()) {
    ErrorCode error;
    const size_t count = socket_.write_some(boost::asio::buffer(out_.data() + sent_, out_.size() - sent_), error);
    if (error && wouldBlock(error)) break;
    if (error) return close();
    sent_ += count;
    progress_ = io_.now();
  }
  if (sent_ == out_.size()) {
    out_.clear();
    sent_ = 0;
    release(out_);
  } else if (sent_ > limits::kReadAheadBytes && sent_ > out_.size() / 2) {  // seldom: it moves all the rest
    out_.erase(0, std::exchange(sent_, 0));
  }
  if (wasFull_ && buffered() < limits::kSendBufferBytes / 4) {
    wasFull_ = false;
    if (current_ && current_->listener_) std::shared_ptr(current_->listener_)->onWritable();
    if (closed_) return;
  }
  if (buffered() > 0) return waitWritable();
  if (closeAfter_ && !current_) startLingering();
}

void Connection::waitWritable() {
  writeWaiting_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const ErrorCode& error) {
    self->writeWaiting_ = false;
    if (!error) self->flush();
  });
}

void Connection::startLingering() {
  if (lingering_ || closed_) return;
  // Closing with unread input would reset the connection and take the answer with it.
  lingering_ = true;
  touch();
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  std::string().swap(in_);
  waitReadable();
}

void Connection::tick() {
  if (closed_) return;
  const double now = io_.now();
  if (buffered() > 0 && now - progress_ > limits::kStallSeconds) return close();
  if (lingering_) {
    if (now - since_ > kLingerSeconds) close();
  } else if (current_) {
    if (now - current_->started > limits::kRequestSeconds && current_->listener_)
      std::shared_ptr(current_->listener_)->onDeadline();
  } else if (reader_.state() == RequestReader::State::kBody) {
    if (now - since_ > limits::kBodySeconds) refuse(408, "the body did not come in time");
  } else if (!in_.empty()) {
    if (now - since_ > limits::kHeaderSeconds) refuse(408, "the headers did not come in time");
  } else if (now - since_ > limits::kIdleSeconds) {
    close();
  }
}

}  // namespace llmc::rt::server
