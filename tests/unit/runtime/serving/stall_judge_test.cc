// On a clock of the test's: what hangs is found in time, and what is slow, asleep or stopped is left alone.
#include "runtime/serving/stall_judge.h"

#include <gtest/gtest.h>

namespace llmc::rt::serving {
namespace {

using What = Stall::What;

/// A server whose signs the test sets, looked at on time.
struct Looks {
  explicit Looks(const WatchLimits& limits = {}) : judge(limits) {}
  /// Looks each period for `seconds`, or until a verdict; `each` comes before each look.
  template <typename Each>
  Stall over(double seconds, Each each) {
    Stall stall;
    for (const double end = now + seconds; now < end && stall.what == What::kNone;) {
      now += judge.period();
      each();
      stall = judge.look(now, signs);
    }
    return stall;
  }
  Stall over(double seconds) {
    return over(seconds, [] {});
  }

  StallJudge judge;
  LifeSigns signs;
  double now = 1000;
};

TEST(StallJudge, AStepThatHangsIsFoundWithinItsLimit) {
  Looks looks;
  looks.signs.working = true;
  ASSERT_EQ(looks.over(60, [&] { ++looks.signs.turn; }).what, What::kNone);
  const double since = looks.now;
  const Stall stall = looks.over(60);
  EXPECT_EQ(stall.what, What::kStep);
  EXPECT_EQ(stall.limit, 30);
  EXPECT_LE(looks.now - since, 30);
  EXPECT_GE(looks.now - since, 29);
}

TEST(StallJudge, SlowStepsHaveTwentyTimesTheirP99) {
  Looks looks;
  looks.signs.working = true;
  looks.signs.p99Seconds = 4;
  EXPECT_EQ(looks.over(79).what, What::kNone);
  EXPECT_EQ(looks.over(2).what, What::kStep);
}

TEST(StallJudge, ALongStepThatComesToNewPhasesIsAlive) {
  Looks looks;
  looks.signs.working = true;
  double next = 0;
  const auto creep = [&] {
    if (looks.now >= next) ++looks.signs.progress, next = looks.now + 25;
  };
  EXPECT_EQ(looks.over(600, creep).what, What::kNone);
  EXPECT_EQ(looks.over(31).what, What::kStep);
}

TEST(StallJudge, AnIdleLoopOwesNothing) {
  Looks looks;
  EXPECT_TRUE(looks.signs.idle());
  EXPECT_EQ(looks.over(3600).what, What::kNone);
}

TEST(StallJudge, AStoppedProcessBeginsAgain) {
  Looks looks;
  looks.signs.working = true;
  looks.signs.io = {{1, 0, 1}};
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(looks.over(4).what, What::kNone) << i;
    looks.now += 3600;
    ASSERT_EQ(looks.judge.look(looks.now, looks.signs).what, What::kNone) << "nobody had a CPU, the judge neither";
  }
  EXPECT_EQ(looks.over(5).what, What::kIo) << "and then the clock runs";
}

TEST(StallJudge, WhatTimersAddToAPeriodCounts) {
  Looks looks;
  looks.signs.working = true;
  const double since = looks.now;
  EXPECT_EQ(looks.over(60, [&] { looks.now += 0.02; }).what, What::kStep);
  EXPECT_LE(looks.now - since, 30.5) << "not the 31.2 of 60 periods that are a little longer";
}

TEST(StallJudge, OnASlowMachineLooksThatComeLateCountAPeriod) {
  Looks looks;
  looks.signs.working = true;
  const double since = looks.now;
  const Stall stall = looks.over(300, [&] { looks.now += looks.judge.period(); });
  EXPECT_EQ(stall.what, What::kStep);
  EXPECT_GT(looks.now - since, 55);
}

TEST(StallJudge, AnIoThreadThatDoesNotAnswerIsFoundInFiveSeconds) {
  Looks looks;
  looks.signs.io = {{0, 0, 1}, {0, 0, 1}};
  const auto answer = [&] {
    for (server::IoSign& sign : looks.signs.io) sign.answered = sign.asked++;
  };
  ASSERT_EQ(looks.over(60, answer).what, What::kNone) << "each asked answer came before the next look";
  looks.signs.io[0].answered = looks.signs.io[0].asked;
  EXPECT_FALSE(looks.signs.idle());
  const double since = looks.now;
  looks.signs.working = true;  // and the step waits for it
  const Stall stall = looks.over(60);
  EXPECT_EQ(stall.what, What::kIo);
  EXPECT_EQ(stall.io, 1u);
  EXPECT_LE(looks.now - since, 5);
  EXPECT_GE(looks.now - since, 4);
}

TEST(StallJudge, AnIoThreadThatComputesHasAsLongAsAStep) {
  Looks looks;
  looks.signs.io = {{1, 0, 1}};
  const double since = looks.now;
  const Stall stall = looks.over(120, [&] { looks.signs.io[0].cpuSeconds += looks.judge.period(); });
  EXPECT_EQ(stall.what, What::kIo);
  EXPECT_EQ(stall.limit, 30);
  EXPECT_GT(looks.now - since, 29);
  EXPECT_LE(looks.now - since, 30.5);
}

TEST(StallJudge, ShorterLimitsAreLookedAtMoreOften) {
  EXPECT_EQ(StallJudge({30, 5}).period(), 0.5);
  EXPECT_DOUBLE_EQ(StallJudge({1, 1}).period(), 0.1);
}

TEST(StallJudge, WhoIsConnectedOrOwesAnAnswerIsNotIdle) {
  LifeSigns signs;
  signs.io = {{3, 3, 0}, {2, 2, 0}};
  EXPECT_TRUE(signs.idle());
  signs.io[1].connections = 1;
  EXPECT_FALSE(signs.idle());
  signs.io[1] = {3, 2, 0};
  EXPECT_FALSE(signs.idle());
  signs.io.clear();
  signs.working = true;
  EXPECT_FALSE(signs.idle());
}

}  // namespace
}  // namespace llmc::rt::serving
