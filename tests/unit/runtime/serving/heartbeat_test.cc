// Turns, phases, and how long steps take.
#include "runtime/serving/heartbeat.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace llmc::rt::serving {
namespace {

TEST(Heartbeat, ATurnBeginsAfterARestOrAfterAnother) {
  Heartbeat heart;
  EXPECT_EQ(heart.phase(), LoopPhase::kIdle);
  EXPECT_TRUE(heart.turn());
  EXPECT_EQ(heart.phase(), LoopPhase::kPlan);
  EXPECT_FALSE(heart.turn());
  heart.rest();
  EXPECT_EQ(heart.phase(), LoopPhase::kIdle);
  EXPECT_TRUE(heart.turn());
  EXPECT_EQ(heart.turns(), 3u);
}

TEST(Heartbeat, OneOfAHundredStepsMayTakeLonger) {
  Heartbeat heart;
  const auto step = [&](double milliseconds) {
    heart.turn();
    heart.run();
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double, std::milli>(milliseconds);
    while (std::chrono::steady_clock::now() < end) {
    }
    heart.rest();
  };
  EXPECT_EQ(heart.p99Seconds(), 0);
  step(20);
  EXPECT_GE(heart.p99Seconds(), 0.020) << "of one it is the longest";
  const double first = heart.p99Seconds();
  for (int i = 0; i < 300; ++i) step(0.01);
  EXPECT_LT(heart.p99Seconds(), first);
  EXPECT_GE(heart.p99Seconds(), 10e-6);
}

TEST(Heartbeat, TurnsWithoutAStepDoNotCount) {
  Heartbeat heart;
  heart.turn();
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  heart.turn();
  heart.rest();
  EXPECT_EQ(heart.p99Seconds(), 0);
}

}  // namespace
}  // namespace llmc::rt::serving
