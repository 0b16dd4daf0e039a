// A thread that looks at the loops of a server while they work, and sleeps while they do not.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/serving/stall_judge.h"

namespace llmc::rt::serving {

/// What a watchdog looks at; called by its thread.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual LifeSigns look() = 0;
  /// Each I/O loop that owes no answer is asked for one.
  virtual void ask() = 0;
  /// Once, after which nothing is looked at any more.
  virtual void stuck(const Stall& stall) = 0;
};

/// start() and stop() by one thread.
class Watchdog {
 public:
  explicit Watchdog(const WatchLimits& limits) : judge_(limits) {}
  ~Watchdog() { stop(); }

  /// Any thread, also before start(): something begins to work, after what look() sees of it was written. Free while
  /// the watchdog is awake.
  void ring();
  /// `watched` lives until stop().
  void start(Watched& watched);
  /// Waits for the thread, and so for stuck().
  void stop();

 private:
  void run(Watched& watched);

  StallJudge judge_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> asleep_{false};
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace llmc::rt::serving
