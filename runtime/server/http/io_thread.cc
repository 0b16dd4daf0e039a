// The loop of one I/O thread.
#include "runtime/server/http/io_thread.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <string>

#include "runtime/server/http/connection.h"

namespace llmc::rt::server {
namespace {
using Clock = std::chrono::steady_clock;

/// A quarter of a second of now().
Clock::duration tickOf(double clockRate) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(0.25 / clockRate));
}

}  // namespace

IoThread::IoThread(uint32_t index, double clockRate)
    : guard_(context_.get_executor()),
      timer_(context_),
      lastTick_(Clock::now()),
      clockRate_(clockRate),
      index_(index),
      scratch_(64 << 10) {}

IoThread::~IoThread() { stop(); }

void IoThread::start() {
  thread_ = std::thread([this] { context_.run(); });
  pthread_setname_np(thread_.native_handle(), ("llmc-io-" + std::to_string(index_)).c_str());
}

double IoThread::cpuSeconds() {
  clockid_t clock{};
  timespec used{};
  if (!thread_.joinable() || ::pthread_getcpuclockid(thread_.native_handle(), &clock) != 0 ||
      ::clock_gettime(clock, &used) != 0)
    return 0;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

void IoThread::stop() {
  if (!thread_.joinable()) return;
  post([this] {
    closeAll();
    timer_.cancel();
    context_.stop();
  });
  thread_.join();
}

void IoThread::post(std::function<void()> work) { boost::asio::post(context_, std::move(work)); }

void IoThread::add(std::shared_ptr<Connection> connection) {
  connections_.insert(std::move(connection));
  count_.store(static_cast<uint32_t>(connections_.size()), std::memory_order_seq_cst);
  if (busy_ && connections_.size() == 1) busy_();
  if (!ticking_) scheduleTick();
}

void IoThread::remove(const std::shared_ptr<Connection>& connection) {
  connections_.erase(connection);
  count_.store(static_cast<uint32_t>(connections_.size()), std::memory_order_relaxed);
}

void IoThread::flushLater(std::shared_ptr<Connection> connection) {
  dirty_.push_back(std::move(connection));
  if (dirty_.size() > 1) return;
  boost::asio::post(context_, [this] {
    // A flush may close a connection, whose end may write to another.
    const auto dirty = std::exchange(dirty_, {});
    for (const auto& one : dirty) one->flush();
  });
}

void IoThread::scheduleTick() {
  if (!ticking_) lastTick_ = Clock::now();
  ticking_ = true;
  timer_.expires_after(tickOf(clockRate_));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void IoThread::tick() {
  const auto now = Clock::now();
  const std::chrono::duration<double> passed = std::min(now - lastTick_, 4 * tickOf(clockRate_));
  lastTick_ = now;
  now_ += passed.count() * clockRate_;
  ticking_ = false;
  const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
  for (const auto& one : all) one->tick();
  // Without connections there is nothing to time: an idle server does not wake.
  if (!connections_.empty() && !ticking_) {
    ticking_ = true;
    scheduleTick();
  }
}

void IoThread::drainAll() {
  const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
  for (const auto& one : all) one->drain();
}

void IoThread::shutDownAll() {
  const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
  for (const auto& one : all) one->shutDown();
}

void IoThread::closeAll() {
  const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
  for (const auto& one : all) one->close();
}

}  // namespace llmc::rt::server
