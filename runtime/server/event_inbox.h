// Carries events from the backend's thread to an I/O thread: many for the price of one wake-up.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/server/backend.h"
#include "runtime/server/http/io_thread.h"

namespace llmc::rt::server {

/// Takes events on its I/O thread.
class EventTarget {
 public:
  virtual ~EventTarget() = default;
  virtual void onEvent(uint32_t prompt, GenerationEvent event) = 0;
};

/// One an I/O thread. A step of the engine brings a token for each of many streams; they wait here in order, and the
/// thread takes all of them at once.
class EventInbox : public std::enable_shared_from_this<EventInbox> {
 public:
  /// `io` may go before this object once close() was called.
  explicit EventInbox(IoThread& io) : io_(&io) {}

  /// No event is taken from here on.
  void close();

  /// The sink of one prompt of a request. Its deliver() may be called by any thread but the I/O thread. It waits while
  /// too many events are there, of all streams or of this one: an engine that is faster than the sockets must not fill
  /// the memory. Dropped after close().
  std::shared_ptr<GenerationSink> sink(std::shared_ptr<EventTarget> target, uint32_t prompt);

  static constexpr size_t kMost = 16384;
  static constexpr uint32_t kMostOfOne = 256;

 private:
  class Sink;
  struct Item {
    std::shared_ptr<Sink> sink;
    GenerationEvent event;
  };
  void push(std::shared_ptr<Sink> sink, GenerationEvent event, bool quietly);
  void wake();  ///< with the lock held
  void wakeForQuiet();
  void drain();

  std::mutex mutex_;
  std::condition_variable room_;
  IoThread* io_;  ///< null after close()
  /// drain() was posted or runs: what comes meanwhile needs no system call of its sender, drain() posts itself again.
  bool scheduled_ = false;
  std::atomic<bool> quiet_{false};  ///< events came quietly and nothing was woken for them
  std::vector<Item> items_, draining_;
};

}  // namespace llmc::rt::server
