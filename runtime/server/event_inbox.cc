// Two vectors change places, so that a busy inbox allocates nothing.
#include "runtime/server/event_inbox.h"

namespace llmc::rt::server {

class EventInbox::Sink : public GenerationSink, public std::enable_shared_from_this<Sink> {
 public:
  Sink(std::shared_ptr<EventInbox> inbox, std::shared_ptr<EventTarget> target, uint32_t prompt)
      : inbox_(std::move(inbox)), target_(std::move(target)), prompt_(prompt) {}
  void deliver(GenerationEvent event) override { inbox_->push(shared_from_this(), std::move(event), false); }
  void deliverQuietly(GenerationEvent event) override { inbox_->push(shared_from_this(), std::move(event), true); }
  void wake() override { inbox_->wakeForQuiet(); }
  void take(GenerationEvent event) {
    target_->onEvent(prompt_, std::move(event));
    pending.fetch_sub(1, std::memory_order_relaxed);
  }
  std::atomic<uint32_t> pending{0};  ///< events that were delivered and not taken

 private:
  std::shared_ptr<EventInbox> inbox_;
  std::shared_ptr<EventTarget> target_;
  uint32_t prompt_;
};

std::shared_ptr<GenerationSink> EventInbox::sink(std::shared_ptr<EventTarget> target, uint32_t prompt) {
  return std::make_shared<Sink>(shared_from_this(), std::move(target), prompt);
}

void EventInbox::push(std::shared_ptr<Sink> sink, GenerationEvent event, bool quietly) {
  std::unique_lock lock(mutex_);
  const auto room = [&] {
    return !io_ || (items_.size() < kMost && sink->pending.load(std::memory_order_relaxed) < kMostOfOne);
  };
  if (!room()) {
    wake();  // nobody may know yet of what fills it
    room_.wait(lock, room);
  }
  if (!io_) return;
  sink->pending.fetch_add(1, std::memory_order_relaxed);
  items_.push_back({std::move(sink), std::move(event)});
  if (quietly)
    quiet_.store(true, std::memory_order_relaxed);
  else
    wake();
}

void EventInbox::wakeForQuiet() {
  // Set by this thread if it concerns it; a lock for each of a step's streams would cost more than the look.
  if (!quiet_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  if (io_) wake();
}

void EventInbox::wake() {
  quiet_.store(false, std::memory_order_relaxed);
  if (scheduled_) return;
  scheduled_ = true;
  io_->post([self = shared_from_this()] { self->drain(); });
}

void EventInbox::close() {
  const std::lock_guard lock(mutex_);
  io_ = nullptr;
  items_.clear();
  room_.notify_all();
}

void EventInbox::drain() {
  {
    const std::lock_guard lock(mutex_);
    items_.swap(draining_);
  }
  room_.notify_all();
  for (Item& item : draining_) item.sink->take(std::move(item.event));
  draining_.clear();
  // Under the lock, so that a sender between its look and its wait does not miss it.
  const std::lock_guard lock(mutex_);
  room_.notify_all();
  scheduled_ = false;
  if (io_ && !items_.empty()) wake();
}

}  // namespace llmc::rt::server
