// The thread: asleep while nothing works, awake after ring(), and its verdict.
#include "runtime/serving/watchdog.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

namespace llmc::rt::serving {
namespace {

class WatchedLoop final : public Watched {
 public:
  LifeSigns look() override {
    ++looks;
    LifeSigns signs;
    signs.working = working;
    signs.turn = hangs ? 0 : looks.load();
    return signs;
  }
  void ask() override { ++asked; }
  void stuck(const Stall& stall) override { verdict = stall.what; }

  std::atomic<uint64_t> looks{0}, asked{0};
  std::atomic<bool> working{false}, hangs{false};
  std::atomic<Stall::What> verdict{Stall::What::kNone};
};

template <typename Condition>
bool comes(Condition condition) {
  for (int i = 0; i < 3000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return condition();
}

TEST(Watchdog, SleepsUntilSomethingWorks) {
  WatchedLoop server;
  Watchdog watchdog({0.4, 0.4});
  watchdog.ring();  // nobody is there yet
  watchdog.start(server);
  ASSERT_TRUE(comes([&] { return server.looks >= 2; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(server.looks, 2u) << "one, and one more before it fell asleep";
  EXPECT_EQ(server.asked, 0u);
  server.working = true;
  watchdog.ring();
  ASSERT_TRUE(comes([&] { return server.looks > 5 && server.asked > 3; }));
  server.working = false;
  uint64_t before = 0;
  EXPECT_TRUE(comes([&] { return std::exchange(before, server.looks.load()) == server.looks; }));
  EXPECT_EQ(server.verdict, Stall::What::kNone);
  watchdog.stop();
}

TEST(Watchdog, FindsWhatHangsAndLooksNoMore) {
  WatchedLoop server;
  server.working = true;
  Watchdog watchdog({0.4, 0.4});
  watchdog.start(server);
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_EQ(server.verdict, Stall::What::kNone) << "it works on";
  server.hangs = true;
  ASSERT_TRUE(comes([&] { return server.verdict != Stall::What::kNone; }));
  EXPECT_EQ(server.verdict, Stall::What::kStep);
  const uint64_t looks = server.looks;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(server.looks, looks);
}

}  // namespace
}  // namespace llmc::rt::serving
