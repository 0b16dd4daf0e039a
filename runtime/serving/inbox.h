// Calls of the server's threads on their way to the engine's thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/server/backend.h"

namespace llmc::rt::serving {

struct Command {
  enum class Kind : uint8_t { kSubmit, kCancel, kPause, kResume };
  Kind kind = Kind::kSubmit;
  server::GenerationId id = 0;
  uint32_t choice = server::kAllChoices;            ///< kCancel
  server::GenerationRequest request;                ///< kSubmit
  std::shared_ptr<server::GenerationSink> sink;     ///< kSubmit
  std::chrono::steady_clock::time_point arrival{};  ///< kSubmit
};

/// Many writers, one reader. The reader sleeps while there is nothing to do.
class Inbox {
 public:
  /// False: nobody takes commands any more, and this one neither.
  bool push(Command command);
  /// Swaps what came into `out`, which must be empty. False once close() was called and nothing is left.
  bool take(std::vector<Command>& out);
  /// Waits for a command, or for `most`; whether there is one, or close() was called.
  bool wait(std::chrono::milliseconds most);
  void close();
  /// What came and was not taken. Nothing can be pushed from here on.
  std::vector<Command> abandon();
  /// That many of the submits that were taken stand in the numbers of the queue from here on.
  void settle(uint32_t submits) { submits_.fetch_sub(submits, std::memory_order_relaxed); }
  uint32_t submits() const { return submits_.load(std::memory_order_relaxed); }  ///< not settled yet

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::vector<Command> commands_;
  bool closed_ = false, abandoned_ = false;
  std::atomic<uint32_t> submits_{0};
};

}  // namespace llmc::rt::serving
