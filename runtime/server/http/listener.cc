// A raw socket until there is an event loop to put it in.
#include "runtime/server/http/listener.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <future>
#include <optional>

#include "runtime/base/system_error.h"
#include "runtime/server/api/api_error.h"
#include "runtime/server/http/connection.h"
#include "runtime/server/http/io_thread.h"
#include "runtime/server/request_id.h"

namespace llmc::rt::server {
namespace asio = boost::asio;
using asio::ip::tcp;

struct Listener::State {
  std::string host;
  asio::io_context bindContext{1};
  std::optional<tcp::acceptor> bound;     ///< until start()
  std::optional<tcp::acceptor> acceptor;  ///< on the first I/O thread
  std::optional<asio::steady_timer> retry;
  std::vector<IoThread*> threads;
  HttpHandler* handler = nullptr;
  uint32_t most = 0;
  /// Accepted, but not yet counted by their threads: a burst must not slip through the cap.
  std::shared_ptr<std::atomic<uint32_t>> starting = std::make_shared<std::atomic<uint32_t>>(0);
  size_t next = 0;
  uint16_t port = 0;
  Notice notice;
  std::chrono::steady_clock::time_point tellAt;  ///< not before

  void accept();
  void tellShortage(const boost::system::error_code& error);
  void take(tcp::socket socket, IoThread& io);
};

namespace {

/// A connection is a descriptor, and the usual soft limit of 1,024 is for programs that use select().
void allowDescriptors(uint64_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  // Where it is refused the old limit holds, and connections wait in the backlog.
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

Status cannotListen(const std::string& host, uint16_t port, const boost::system::error_code& error) {
  namespace errc = boost::system::errc;
  const std::string what = "cannot listen on " + host + " port " + std::to_string(port) + ": " + error.message();
  if (error == errc::address_not_available || error == errc::address_family_not_supported)
    return Status::error(ErrorKind::kUsage, "SV_ADDRESS", what,
                         "give --host an address of this machine (ip addr shows them), such as 127.0.0.1");
  return Status::error(
      ErrorKind::kUnavailable, "SV_PORT", what,
      hintOfSystemError(error.value(), error == errc::permission_denied
                                           ? "give a --port above 1023, which needs no privilege"
                                           : "stop what uses it (ss -ltnp shows it) or give another --port"));
}

}  // namespace

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}
Listener::~Listener() { stop(); }
uint16_t Listener::port() const { return state_->port; }
const std::string& Listener::host() const { return state_->host; }

Result<std::string> Listener::resolve(const std::string& host) {
  boost::system::error_code error;
  (void)asio::ip::make_address(host, error);
  if (!error) return host;
  if (host == "localhost") return std::string("127.0.0.1");
  asio::io_context context;
  const auto found = tcp::resolver(context).resolve(host, "", tcp::resolver::passive, error);
  if (host.empty() || error || found.empty())
    return Status::error(ErrorKind::kUsage, "SV_ADDRESS",
                         "'" + escaped(host, 60) + "' is not an IP address, and the name cannot be resolved" +
                             (error ? ": " + error.message() : ""),
                         "give an address of this machine, such as 127.0.0.1 or 0.0.0.0");
  return found.begin()->endpoint().address().to_string();
}

Result<std::unique_ptr<Listener>> Listener::open(const std::string& host, uint16_t port) {
  auto numeric = resolve(host);
  LLMC_TRY(numeric.status());
  boost::system::error_code error;
  const auto address = asio::ip::make_address(*numeric);
  auto state = std::make_unique<State>();
  state->host = host;
  const tcp::endpoint endpoint(address, port);
  tcp::acceptor acceptor(state->bindContext);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(4096, error);
  if (error) return cannotListen(host, port, error);
  state->port = acceptor.local_endpoint().port();
  state->bound = std::move(acceptor);
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

void Listener::start(std::vector<IoThread*> threads, HttpHandler& handler, uint32_t mostConnections, Notice notice) {
  State& state = *state_;
  state.threads = std::move(threads);
  state.handler = &handler;
  state.most = mostConnections;
  state.notice = std::move(notice);
  constexpr uint64_t kOtherFiles = 256;
  allowDescriptors(mostConnections + kOtherFiles);
  auto& context = state.threads.front()->context();
  const auto protocol = state.bound->local_endpoint().protocol();
  state.acceptor.emplace(context, protocol, state.bound->release());
  state.bound.reset();
  state.retry.emplace(context);
  state.threads.front()->post([&state] { state.accept(); });
}

void Listener::State::accept() {
  if (!acceptor) return;
  IoThread& io = *threads[next++ % threads.size()];
  acceptor->async_accept(io.context(), [this, &io](const boost::system::error_code& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) take(std::move(socket), io);  // also who came in just before hold()
    if (!acceptor) return;
    if (!error) return accept();
    // Out of descriptors or memory: those that wait in the backlog are taken once there is room.
    tellShortage(error);
    retry->expires_after(std::chrono::milliseconds(100));
    retry->async_wait([this](const boost::system::error_code& cancelled) {
      if (!cancelled) accept();
    });
  });
}

void Listener::State::tellShortage(const boost::system::error_code& error) {
  const auto now = std::chrono::steady_clock::now();
  if (!notice || now < tellAt) return;
  tellAt = now + std::chrono::minutes(1);
  const std::string hint = hintOfSystemError(error.value());
  notice("no more connections can be accepted: " + error.message() + "; new ones wait until others close" +
         (hint.empty() ? "" : "; " + hint));
}

void Listener::State::take(tcp::socket socket, IoThread& io) {
  uint32_t open = starting->load();
  for (const IoThread* thread : threads) open += thread->count();
  if (open >= most) {
    const ApiError error{503, "too_many_connections", "too many connections; try again", {}, 1};
    const std::string body = error.json();
    const std::string answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        "Connection: close\r\nX-Request-Id: " +
        requestIdFor({}) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(answer), ignored);
    return;
  }
  auto connection = std::make_shared<Connection>(std::move(socket), io, *handler);
  starting->fetch_add(1);
  io.post([connection = std::move(connection), starting = starting] {
    connection->start();
    starting->fetch_sub(1);
  });
}

void Listener::hold() {
  State& state = *state_;
  std::promise<void> held;
  state.threads.front()->post([&] {
    boost::system::error_code ignored;
    const auto protocol = state.acceptor->local_endpoint(ignored).protocol();
    const auto handle = state.acceptor->release(ignored);
    state.acceptor.reset();
    state.retry.reset();
    state.bound.emplace(state.bindContext, protocol, handle);
    held.set_value();
  });
  held.get_future().wait();
}

void Listener::stop() {
  if (!state_ || !state_->acceptor) return;
  std::promise<void> closed;
  state_->threads.front()->post([&] {
    boost::system::error_code ignored;
    state_->acceptor->close(ignored);
    state_->acceptor.reset();
    state_->retry.reset();
    closed.set_value();
  });
  closed.get_future().wait();
}

}  // namespace llmc::rt::server
