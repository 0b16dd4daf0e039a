// Tasks on several threads: results in order, the first failure ends them all.
#pragma once

#include "runtime/base/shortage.h"
#include "runtime/base/status.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace llmc {

/// Results of `count` tasks, filled by any thread, read in order. `progress` is called under a lock.
template <typename T> class TaskPool {
public:
  using Progress = std::function<void(size_t done, size_t total)>;
  TaskPool(size_t count, unsigned threads, Progress progress)
      : threads_(threads), progress_(std::move(progress)), results_(count) {}

  /// Runs task(0), task(1), ... on the pool's threads, this one among them. Errors: that of a task that failed.
  rt::Status run(const std::function<rt::Result<T>(size_t)> &task) {
    auto work = [&] {
      for (size_t i; !failed_ && (i = next_++) < results_.size();) {
        auto result = task(i);
        std::lock_guard<std::mutex> lock(mutex_);
        if (result)
          results_[i] = result.take();
        else if (!failed_.exchange(true))
          status_ = result.takeStatus();
        if (progress_)
          progress_(++done_, results_.size());
      }
    };
    std::vector<std::thread> threads = rt::startThreads(std::max(threads_, 1U) - 1, work);
    work();
    for (std::thread &thread : threads)
      thread.join();
    return std::move(status_);
  }

  T &result(size_t i) { return results_[i]; }

private:
  unsigned threads_;
  Progress progress_;
  std::vector<T> results_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  rt::Status status_;
  size_t done_ = 0;
};

} // namespace llmc
