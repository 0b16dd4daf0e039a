// Just enough of HTTP to read what the server writes.
#include "served.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "tests/unit/sanitized.h"

namespace llmc::rt::server::test {

std::vector<std::string> Reply::events() const {
  std::vector<std::string> out;
  for (size_t at = body.find("data: "); at != std::string::npos; at = body.find("data: ", at + 1)) {
    const size_t end = body.find("\n\n", at);
    out.push_back(body.substr(at + 6, end - at - 6));
  }
  return out;
}

Client::Client(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::perror("connect");
}

Client::~Client() { close(); }

void Client::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Client::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

bool Client::more() {
  pollfd poll{fd_, POLLIN, 0};
  char buffer[65536];
  if (::poll(&poll, 1, kSanitized ? 60'000 : 10'000) <= 0) return false;
  const ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
  if (count > 0) in_.append(buffer, static_cast<size_t>(count));
  return count > 0;
}

std::string Client::readSome() {
  if (in_.empty()) more();
  return std::exchange(in_, {});
}

bool Client::ended() {
  while (more()) {
  }
  char byte;
  return ::recv(fd_, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

Reply Client::read(bool head) {
  Reply reply;
  size_t end;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos)
    if (!more()) return reply;
  size_t at = in_.find("\r\n") + 2;
  reply.status = std::atoi(in_.c_str() + 9);
  while (at < end + 2) {
    const size_t line = in_.find("\r\n", at), colon = in_.find(": ", at);
    std::string name = in_.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
    reply.headers[name] = in_.substr(colon + 2, line - colon - 2);
    at = line + 2;
  }
  in_.erase(0, end + 4);
  if (head || reply.status == 100) return reply;
  if (reply.headers.contains("content-length")) {
    const size_t size = std::strtoul(reply.headers["content-length"].c_str(), nullptr, 10);
    while (in_.size() < size && more()) {
    }
    reply.body = in_.substr(0, size);
    in_.erase(0, size);
    return reply;
  }
  for (;;) {
    size_t line;
    while ((line = in_.find("\r\n")) == std::string::npos)
      if (!more()) return reply;
    const size_t size = std::strtoul(in_.c_str(), nullptr, 16);
    while (in_.size() < line + size + 4)
      if (!more()) return reply;
    reply.body += in_.substr(line + 2, size);
    in_.erase(0, line + size + 4);
    if (size == 0) return reply;
  }
}

ModelText mockModelText() {
  const ModelTextSource source = mockText();
  return {*Tokenizer::create(source.tokenizerJson), *ChatTemplate::create(source.chatTemplate, "<s>", "<|im_end|>")};
}

Served::Served(MockOptions mock, ServerOptions options) : backend(std::move(mock)) {
  auto listener = Listener::open("127.0.0.1", 0);
  auto made = Server::create(std::move(options), listener.take(), backend, mockModelText());
  server = made.take();
}

Reply Served::get(const std::string& path, const std::string& headers) const {
  Client client(server->port());
  client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
  return client.read();
}

std::string postText(const std::string& path, const std::string& json, const std::string& headers) {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + headers +
         "Content-Length: " + std::to_string(json.size()) + "\r\n\r\n" + json;
}

Reply Served::post(const std::string& path, const std::string& json, const std::string& headers) const {
  Client client(server->port());
  client.send(postText(path, json, headers));
  return client.read();
}

double Served::metric(const std::string& name) const {
  const std::string body = get("/metrics").body;
  const size_t at = body.find("\n" + name);
  return at == std::string::npos ? -1 : std::atof(body.c_str() + body.find("} ", at) + 2);
}

}  // namespace llmc::rt::server::test
