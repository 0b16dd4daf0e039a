// Events of many streams cross threads in order; a full inbox makes the sender wait, a closed one does not.
#include "runtime/server/event_inbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace llmc::rt::server {
namespace {

struct Recorder : EventTarget {
  void onEvent(uint32_t, GenerationEvent event) override {
    const auto& token = std::get<TokenEvent>(event);
    wrong += token.token != static_cast<int32_t>(seen);
    ++seen;
  }
  std::atomic<uint32_t> seen{0}, wrong{0};
};

TEST(EventInbox, KeepsTheOrderOfEachSender) {
  IoThread io(0);
  auto inbox = std::make_shared<EventInbox>(io);
  std::vector<std::shared_ptr<Recorder>> targets;
  std::vector<std::thread> senders;
  io.start();
  for (int i = 0; i < 3; ++i) {
    targets.push_back(std::make_shared<Recorder>());
    senders.emplace_back([sink = inbox->sink(targets.back(), 0)] {
      for (int32_t k = 0; k < 50'000; ++k) sink->deliver(TokenEvent{0, k, FinishReason::kNone, nullptr});
    });
  }
  for (auto& sender : senders) sender.join();
  for (int i = 0; i < 1000 && (targets[0]->seen < 50'000 || targets[1]->seen < 50'000 || targets[2]->seen < 50'000);
       ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  io.stop();
  for (const auto& target : targets) {
    EXPECT_EQ(target->seen, 50'000u);
    EXPECT_EQ(target->wrong, 0u);
  }
}

TEST(EventInbox, QuietEventsComeWithTheNextWake) {
  IoThread io(0);
  auto inbox = std::make_shared<EventInbox>(io);
  auto one = std::make_shared<Recorder>(), two = std::make_shared<Recorder>();
  io.start();
  {
    const auto first = inbox->sink(one, 0), second = inbox->sink(two, 0);
    for (int32_t k = 0; k < 100; ++k) {
      first->deliverQuietly(TokenEvent{0, k, FinishReason::kNone, nullptr});
      second->deliverQuietly(TokenEvent{0, k, FinishReason::kNone, nullptr});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_EQ(one->seen + two->seen, 0u);
    first->wake();
    second->wake();
    for (int i = 0; i < 1000 && one->seen + two->seen < 200; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(one->seen + two->seen, 200u);
    // A sender that has to wait for room wakes who makes it.
    for (int32_t k = 100; k < 1000; ++k) first->deliverQuietly(TokenEvent{0, k, FinishReason::kNone, nullptr});
    first->wake();
    for (int i = 0; i < 1000 && one->seen < 1000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  io.stop();
  EXPECT_EQ(one->seen, 1000u);
  EXPECT_EQ(one->wrong + two->wrong, 0u);
}

TEST(EventInbox, ClosingFreesASenderThatWaits) {
  IoThread io(0);  // never started: nothing is taken
  auto inbox = std::make_shared<EventInbox>(io);
  auto target = std::make_shared<Recorder>();
  std::atomic<bool> ended{false};
  std::thread sender([&, sink = inbox->sink(target, 0)] {
    for (int32_t k = 0; k < 100'000; ++k) sink->deliver(TokenEvent{0, k, FinishReason::kNone, nullptr});
    ended = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(ended);
  inbox->close();
  sender.join();
  EXPECT_EQ(target->seen, 0u);
}

}  // namespace
}  // namespace llmc::rt::server
