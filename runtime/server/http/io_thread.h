// One thread that serves many connections: an event loop, a clock that stands still with the process, and a tick.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_set>
#include <vector>

namespace llmc::rt::server {

class Connection;

/// Created and destroyed by the server's thread; everything but post() and count() belongs to the loop's own thread.
class IoThread {
 public:
  /// `clockRate`: seconds of now() a second; more than 1 shows a test in a moment what a timeout does.
  explicit IoThread(uint32_t index, double clockRate = 1);
  ~IoThread();

  void start();
  /// Before start(): called on this thread when it gets its first connection, after count() says so.
  void whenBusy(std::function<void()> call) { busy_ = std::move(call); }
  /// Closes all connections, ends the loop and joins. Handlers that wait are dropped.
  void stop();

  /// Runs `work` on this thread. Any thread may call.
  void post(std::function<void()> work);

  boost::asio::io_context& context() { return context_; }
  uint32_t index() const { return index_; }
  /// Seconds of running time: a stop of the process (SIGSTOP, a laptop's lid) does not count, so no timeout fires for
  /// it. Moves with the tick; good for timeouts, not for latencies.
  double now() const { return now_; }
  /// Space to read into, shared by the connections of the thread.
  std::vector<char>& scratch() { return scratch_; }

  void add(std::shared_ptr<Connection> connection);
  void remove(const std::shared_ptr<Connection>& connection);
  /// Sends what `connection` has gathered once the present work is done.
  void flushLater(std::shared_ptr<Connection> connection);
  /// Closes connections that have no request.
  void drainAll();
  void closeAll();
  /// Tells every answer that the server stops.
  void shutDownAll();
  /// CPU time of the thread since start(). Any thread, while this one runs.
  double cpuSeconds();
  /// Open connections. Any thread may call.
  uint32_t count() const { return count_.load(std::memory_order_seq_cst); }

 private:
  void scheduleTick();
  void tick();

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  boost::asio::steady_timer timer_;
  bool ticking_ = false;
  std::chrono::steady_clock::time_point lastTick_;
  double now_ = 0;
  const double clockRate_;
  const uint32_t index_;
  std::vector<char> scratch_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::vector<std::shared_ptr<Connection>> dirty_;
  std::atomic<uint32_t> count_{0};
  std::function<void()> busy_;
  std::thread thread_;
};

}  // namespace llmc::rt::server
