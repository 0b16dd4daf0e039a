// Two vectors change places, so that a busy inbox allocates nothing.
#include "runtime/server/event_inbox.h"

namespace llmc::rt::server {
namespace {

class InboxSink : public GenerationSink {
 public:
  InboxSink(std::shared_ptr<EventInbox> inbox, std::shared_ptr<EventTarget> target, uint32_t prompt)
      : inbox_(std::move(inbox)), target_(std::move(target)), prompt_(prompt) {}
  void deliver(GenerationEvent event) override { inbox_->push(target_, prompt_, std::move(event)); }

 private:
  std::shared_ptr<EventInbox> inbox_;
  std::shared_ptr<EventTarget> target_;
  uint32_t prompt_;
};

}  // namespace

std::shared_ptr<GenerationSink> EventInbox::sink(std::shared_ptr<EventTarget> target, uint32_t prompt) {
  return std::make_shared<InboxSink>(shared_from_this(), std::move(target), prompt);
}

void EventInbox::push(std::shared_ptr<EventTarget> target, uint32_t prompt, GenerationEvent event) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return items_.size() < kMost || !io_; });
  if (!io_) return;
  items_.push_back({std::move(target), prompt, std::move(event)});
  if (items_.size() == 1) io_->post([self = shared_from_this()] { self->drain(); });
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
  for (Item& item : draining_) item.target->onEvent(item.prompt, std::move(item.event));
  draining_.clear();
}

}  // namespace llmc::rt::server
