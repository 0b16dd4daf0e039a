// A queue of jobs and the threads that take them.
#include "tests/emulator/workers.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace llmc::emu {
namespace {

struct Job {
  const std::function<void()>* work;
  unsigned* running;
};

/// Never destroyed: its threads wait in it when the process ends.
struct Workers {
  std::mutex mutex;
  std::condition_variable wanted, done;
  std::deque<Job> jobs;
  unsigned threads = 0, idle = 0;

  void loop() {
    std::unique_lock lock(mutex);
    for (;;) {
      ++idle;
      wanted.wait(lock, [&] { return !jobs.empty(); });
      --idle;
      Job job = jobs.front();
      jobs.pop_front();
      lock.unlock();
      (*job.work)();
      lock.lock();
      if (--*job.running == 0) done.notify_all();
    }
  }
};

}  // namespace

void runOnWorkers(unsigned helpers, const std::function<void()>& work) {
  static auto* const kWorkers = new Workers;
  unsigned running = 0;
  {
    std::lock_guard lock(kWorkers->mutex);
    for (; kWorkers->threads < helpers; ++kWorkers->threads) std::thread([] { kWorkers->loop(); }).detach();
    for (; running < helpers; ++running) kWorkers->jobs.push_back({&work, &running});
    kWorkers->wanted.notify_all();
  }
  work();
  std::unique_lock lock(kWorkers->mutex);
  // Jobs that no thread has taken yet have nothing left to do.
  std::erase_if(kWorkers->jobs, [&](const Job& job) {
    if (job.running != &running) return false;
    --running;
    return true;
  });
  kWorkers->done.wait(lock, [&] { return running == 0; });
}

}  // namespace llmc::emu
