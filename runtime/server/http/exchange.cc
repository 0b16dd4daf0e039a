// Heads and chunks; the connection moves the bytes.
#include "runtime/server/http/exchange.h"

#include <ctime>

#include "runtime/server/api/api_error.h"
#include "runtime/server/http/connection.h"
#include "runtime/server/http/io_thread.h"

namespace llmc::rt::server {

Exchange::Exchange(std::shared_ptr<Connection> connection, HttpRequest received, double now)
    : request(std::move(received)),
      started(now),
      connection_(std::move(connection)),
      peer_(connection_->peer()),
      io_(connection_->io()) {}

Exchange::~Exchange() = default;

namespace {

std::string dateText() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

std::string Exchange::client() const {
  const auto address = peer_.address();
  const std::string text = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  return text + ":" + std::to_string(peer_.port());
}

std::string Exchange::head(int code, std::string_view contentType) const {
  std::string out = request.http10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  out += std::to_string(code);
  out += ' ';
  out += statusPhrase(code);
  out += "\r\nDate: " + dateText() + "\r\n";
  if (!contentType.empty()) (out += "Content-Type: ").append(contentType) += "\r\n";
  if (!requestId.empty()) (out += "X-Request-Id: ").append(requestId) += "\r\n";
  // Anthropic's clients look for it under another name.
  if (!requestId.empty() && errorShapeOf(request.path) == ErrorShape::kAnthropic)
    (out += "request-id: ").append(requestId) += "\r\n";
  if (connection_->closesAfter())
    out += "Connection: close\r\n";
  else if (request.http10)
    out += "Connection: keep-alive\r\n";
  return out;
}

void Exchange::respond(const HttpResponse& response) {
  if (!open() || streaming_) return;
  status = response.status;
  std::string out = head(response.status, response.body.empty() ? std::string_view{} : response.contentType);
  for (const auto& [name, value] : response.headers) (((out += name) += ": ") += value) += "\r\n";
  // A 304 has no body by its status; a length would be that of the page.
  if (response.status != 304) out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  out += "\r\n";
  const std::string_view body = request.method == "HEAD" ? std::string_view{} : response.body;
  bytesOut += out.size() + body.size();
  connection_->send(out);
  connection_->send(body);
  end();
}

void Exchange::beginStream(std::string_view contentType) {
  if (!open() || streaming_) return;
  streaming_ = true;
  status = 200;
  // Without chunks the end of the connection is the end of the answer.
  if (request.http10) connection_->closeAfter();
  std::string out = head(200, contentType);
  out += "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n";
  out += request.http10 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n";
  bytesOut += out.size();
  connection_->send(out);
}

void Exchange::write(std::string_view piece) {
  if (!open() || !streaming_ || piece.empty()) return;
  bytesOut += piece.size();
  connection_->stream(piece);
}

void Exchange::endStream() {
  if (!open() || !streaming_) return;
  connection_->endChunks();
  end();
}

void Exchange::abort() {
  if (!open()) return;
  connection_->closeAfter();
  end();
}

size_t Exchange::buffered() const { return open() ? connection_->buffered() : 0; }

void Exchange::end() {
  auto connection = std::move(connection_);
  connection_ = nullptr;
  listener_ = nullptr;
  connection->exchangeEnded(*this);
}

}  // namespace llmc::rt::server
