// Awake: a look each period. Asleep: until ring().
#include "runtime/serving/watchdog.h"

#include <pthread.h>

#include <chrono>

namespace llmc::rt::serving {

void Watchdog::ring() {
  if (!asleep_.load(std::memory_order_seq_cst)) return;
  {
    const std::lock_guard lock(mutex_);
    asleep_.store(false);
  }
  changed_.notify_one();
}

void Watchdog::start(Watched& watched) {
  thread_ = std::thread([this, &watched] { run(watched); });
  pthread_setname_np(thread_.native_handle(), "llmc-watchdog");
}

void Watchdog::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::run(Watched& watched) {
  using Clock = std::chrono::steady_clock;  // stands still while the machine sleeps
  const std::chrono::duration<double> period(judge_.period());
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const LifeSigns signs = watched.look();
    const Stall stall = judge_.look(std::chrono::duration<double>(Clock::now().time_since_epoch()).count(), signs);
    if (stall.what != Stall::What::kNone) return watched.stuck(stall);
    if (!signs.idle()) watched.ask();
    lock.lock();
    if (!signs.idle()) {
      changed_.wait_for(lock, period, [this] { return stopping_; });
      continue;
    }
    // Who begins to work from here on rings; who did just before is seen.
    asleep_.store(true, std::memory_order_seq_cst);
    if (watched.look().idle()) changed_.wait(lock, [this] { return stopping_ || !asleep_.load(); });
    asleep_.store(false);
  }
}

}  // namespace llmc::rt::serving
