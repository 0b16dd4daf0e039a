// A vector that two threads swap.
#include "runtime/serving/inbox.h"

#include <utility>

namespace llmc::rt::serving {

bool Inbox::push(Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (abandoned_) return false;
    if (command.kind == Command::Kind::kSubmit) submits_.fetch_add(1, std::memory_order_relaxed);
    commands_.push_back(std::move(command));
  }
  filled_.notify_one();
  return true;
}

bool Inbox::take(std::vector<Command>& out) {
  const std::lock_guard lock(mutex_);
  std::swap(out, commands_);
  return !closed_ || !out.empty();
}

bool Inbox::wait(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  return filled_.wait_for(lock, most, [this] { return closed_ || !commands_.empty(); });
}

void Inbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  filled_.notify_one();
}

std::vector<Command> Inbox::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  return std::exchange(commands_, {});
}

}  // namespace llmc::rt::serving
