// Construction and destruction in the order that threads and references need.
#include "runtime/server/server.h"

#include <atomic>
#include <chrono>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "runtime/server/api_handler.h"
#include "runtime/server/auth.h"
#include "runtime/server/event_inbox.h"
#include "runtime/server/http/io_thread.h"

namespace llmc::rt::server {
namespace {

bool waitFor(double seconds, const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!done()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

struct Server::Parts {
  struct Pulse {
    std::atomic<uint64_t> asked{0}, answered{0};
  };
  Parts(ServerOptions options, std::unique_ptr<Listener> socket, Backend& backend, ModelText model)
      : listener(std::move(socket)),
        text(std::move(model)),
        keys(std::move(options.apiKeys)),
        metrics(backend.facts().names.front(), backend.facts().context, options.ioThreads, options.metrics),
        accessLog(options.accessLog, options.logFormat, std::move(options.notice)) {
    for (uint32_t i = 0; i < options.ioThreads; ++i) {
      threads.push_back(std::make_unique<IoThread>(i, options.clockRate));
      threads.back()->whenBusy(options.busy);
      pulses.push_back(std::make_shared<Pulse>());
      inboxes.push_back(std::make_shared<EventInbox>(*threads.back()));
    }
    handler =
        std::make_unique<ApiHandler>(ApiServices{backend, text, metrics, accessLog, keys, isLoopback(listener->host()),
                                                 options.version, static_cast<int64_t>(std::time(nullptr)),
                                                 options.prepareThreads, options.openMetrics, options.seed},
                                     inboxes);
  }

  std::unique_ptr<Listener> listener;
  ModelText text;
  KeyRing keys;
  Metrics metrics;
  AccessLog accessLog;
  std::vector<std::unique_ptr<IoThread>> threads;
  std::vector<std::shared_ptr<EventInbox>> inboxes;
  std::vector<std::shared_ptr<Pulse>> pulses;  ///< [I/O thread]
  std::unique_ptr<ApiHandler> handler;
  std::mutex watching;  ///< of what other threads may ask for while stop() is called
  bool stopped = false;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::create(ServerOptions options, std::unique_ptr<Listener> listener,
                                               Backend& backend, ModelText text) {
  LLMC_TRY(checkBind(listener->host(), KeyRing(options.apiKeys)));
  options.ioThreads = std::max(options.ioThreads, 1u);
  options.prepareThreads = std::max(options.prepareThreads, 1u);
  const uint32_t most = options.mostConnections;
  const auto notice = options.notice;
  auto parts = std::make_unique<Parts>(std::move(options), std::move(listener), backend, std::move(text));
  std::vector<IoThread*> threads;
  for (auto& thread : parts->threads) {
    thread->start();
    threads.push_back(thread.get());
  }
  parts->listener->start(std::move(threads), *parts->handler, most, notice);
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

uint16_t Server::port() const { return parts_->listener->port(); }
void Server::setReady(bool ready) { parts_->handler->setReady(ready); }
uint32_t Server::load() const { return parts_->handler->load(); }

void Server::drain() {
  parts_->handler->drain();
  for (auto& thread : parts_->threads) thread->post([io = thread.get()] { io->drainAll(); });
}

bool Server::waitUntilIdle(double seconds) {
  return waitFor(seconds, [&] { return load() == 0; });
}

void Server::askIo() {
  const std::lock_guard lock(parts_->watching);
  if (parts_->stopped) return;
  for (size_t i = 0; i < parts_->threads.size(); ++i) {
    const auto& pulse = parts_->pulses[i];
    if (pulse->asked.load() != pulse->answered.load()) continue;
    pulse->asked.fetch_add(1);
    parts_->threads[i]->post([pulse] { pulse->answered.store(pulse->asked.load()); });
  }
}

std::vector<IoSign> Server::ioSigns() const {
  const std::lock_guard lock(parts_->watching);
  std::vector<IoSign> signs;
  for (size_t i = 0; i < parts_->threads.size() && !parts_->stopped; ++i)
    signs.push_back({parts_->pulses[i]->asked.load(), parts_->pulses[i]->answered.load(), parts_->threads[i]->count(),
                     parts_->threads[i]->cpuSeconds()});
  return signs;
}

void Server::cutAnswers() {
  const std::lock_guard lock(parts_->watching);
  if (parts_->stopped) return;
  for (auto& thread : parts_->threads) thread->post([io = thread.get()] { io->shutDownAll(); });
}

void Server::stop() {
  {
    const std::lock_guard lock(parts_->watching);
    if (std::exchange(parts_->stopped, true)) return;
  }
  parts_->handler->drain();
  parts_->listener->stop();
  parts_->handler->stopPreparing();
  for (auto& thread : parts_->threads) thread->post([io = thread.get()] { io->shutDownAll(); });
  (void)waitFor(1, [&] {
    uint32_t open = 0;
    for (const auto& thread : parts_->threads) open += thread->count();
    return open == 0;
  });
  for (auto& inbox : parts_->inboxes) inbox->close();
  for (auto& thread : parts_->threads) thread->stop();
}

}  // namespace llmc::rt::server
