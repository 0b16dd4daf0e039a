// One I/O thread and a handler without a backend.
#include "runtime/server/loading_server.h"

#include <chrono>
#include <thread>

#include "runtime/base/limits.h"
#include "runtime/server/error_response.h"
#include "runtime/server/http/exchange.h"
#include "runtime/server/http/io_thread.h"
#include "runtime/server/request_id.h"

namespace llmc::rt::server {
namespace {

class LoadingHandler : public HttpHandler {
 public:
  void handle(std::shared_ptr<Exchange> exchange) override {
    exchange->requestId = requestIdFor(exchange->request.header("x-request-id"));
    if (exchange->request.path == "/health") return exchange->respond({200});
    exchange->respond(errorResponse(*exchange, {503, "loading", "the model is being loaded; try again", {}, 1}));
  }
  void finished(const Exchange&) override {}
  /// A connection that stayed open would end when the model is there.
  bool draining() const override { return true; }
};

}  // namespace

struct LoadingServer::Parts {
  explicit Parts(Listener& socket) : listener(socket) {}
  Listener& listener;
  LoadingHandler handler;
  IoThread thread{0};
};

LoadingServer::LoadingServer(Listener& listener) : parts_(std::make_unique<Parts>(listener)) {
  parts_->thread.start();
  listener.start({&parts_->thread}, parts_->handler, limits::kConnections);
}

LoadingServer::~LoadingServer() {
  IoThread& thread = parts_->thread;
  parts_->listener.hold();
  thread.post([&thread] { thread.shutDownAll(); });
  // Who is being answered gets the answer; nobody can hold up the start.
  for (int i = 0; i < 40 && thread.count() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  thread.stop();
}

}  // namespace llmc::rt::server
