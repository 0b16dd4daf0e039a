// The bound fits what steps cost, follows when that changes, and is not moved by one slow step.
#include "runtime/sched/step_pace.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

/// Steps of a machine: 4 ms + 0.25 ms a decoded token, 0.5 ms a prompt token.
double seconds(uint32_t decodes, uint32_t promptTokens) {
  return (decodes > 0 ? 4e-3 + decodes * 0.25e-3 : 0) + promptTokens * 0.5e-3;
}

void run(StepPace& pace, uint32_t decodes, int steps, double slower = 1) {
  for (int i = 0; i < steps; ++i) {
    pace.learn(decodes, 0, slower * seconds(decodes, 0));
    const uint32_t tokens = pace.promptTokens(decodes, 1);
    pace.learn(decodes, tokens, slower * seconds(decodes, tokens));
  }
}

TEST(StepPace, NothingDecodesOrNoBoundMeansNoBound) {
  EXPECT_EQ(StepPace(2).promptTokens(0, 1), 0u);
  EXPECT_EQ(StepPace(2).promptTokens(0, 9), 0u);
  EXPECT_EQ(StepPace(0).promptTokens(8, 1), 0u);
}

TEST(StepPace, AStepIsStretchedAsOftenAsAsked) {
  for (const double stretch : {2.0, 3.0, 5.0})
    for (const uint32_t decodes : {4u, 8u, 32u, 128u}) {
      StepPace pace(stretch);
      EXPECT_EQ(pace.promptTokens(decodes, 1), StepPace::kUnknown);
      run(pace, decodes, 100);
      const uint32_t tokens = pace.promptTokens(decodes, 1);
      const double ratio = seconds(decodes, tokens) / seconds(decodes, 0);
      EXPECT_GT(ratio, stretch * 0.95) << decodes;
      if (tokens > StepPace::kLeast) {
        EXPECT_LE(ratio, stretch * 1.01) << decodes;
      }
    }
}

TEST(StepPace, ACrowdOfPromptsMayHoldUpOthersInProportion) {
  StepPace pace(2);
  run(pace, 32, 100);
  const uint32_t one = pace.promptTokens(32, 1);
  EXPECT_EQ(pace.promptTokens(32, 4), one);
  EXPECT_NEAR(pace.promptTokens(32, 9), 2 * one, 2);
  EXPECT_NEAR(pace.promptTokens(32, 13), 3 * one, 3);
  EXPECT_EQ(pace.promptTokens(32, 17), StepPace::kFillTokens) << "the batch is far from full";
  EXPECT_GT(pace.promptTokens(1, 1), 0u) << "one against one";
}

TEST(StepPace, ABatchThatNeverDecodesAloneDoesNotStarveItsPrompts) {
  StepPace pace(2);
  pace.learn(0, 64, seconds(0, 64));  // a first request alone
  for (int i = 0; i < 8; ++i) pace.learn(1, 0, seconds(1, 0));
  for (uint32_t decodes = 2; decodes < 24; decodes += 2)  // then a crowd comes
    pace.learn(decodes, StepPace::kFillTokens, seconds(decodes, StepPace::kFillTokens));
  uint32_t tokens = 0;
  for (int i = 0; i < 20; ++i) {
    tokens = pace.promptTokens(24, 1);
    pace.learn(24, tokens, seconds(24, tokens));
  }
  EXPECT_NEAR(seconds(24, tokens) / seconds(24, 0), 2, 0.2) << tokens;
  pace.learn(24, 0, seconds(24, 0));  // a measurement replaces the guess
  EXPECT_NEAR(seconds(24, pace.promptTokens(24, 1)) / seconds(24, 0), 2, 0.2);
}

TEST(StepPace, OneSlowStepChangesLittle) {
  StepPace pace(3);
  run(pace, 32, 100);
  const uint32_t before = pace.promptTokens(32, 1);
  pace.learn(32, 0, 5.0);
  EXPECT_LE(pace.promptTokens(32, 1), before + before / 8 + StepPace::kLeast);
  pace.learn(32, before, 5.0);
  EXPECT_GE(pace.promptTokens(32, 1) + 2 * StepPace::kLeast, before);
}

TEST(StepPace, FollowsAMachineThatBecomesSlower) {
  StepPace pace(3);
  run(pace, 8, 100);
  const uint32_t before = pace.promptTokens(8, 1);
  run(pace, 8, 200, 4);
  EXPECT_NEAR(pace.promptTokens(8, 1), before, 1) << "both parts became slower alike";
  for (int i = 0; i < 200; ++i) pace.learn(8, 64, 4 * (seconds(8, 0) + 64 * 2e-3));
  EXPECT_LT(pace.promptTokens(8, 1), before);
}

TEST(StepPace, AnUnseenBatchIsJudgedByTheNearestSmallerOne) {
  StepPace pace(3);
  run(pace, 4, 100);
  EXPECT_EQ(pace.promptTokens(64, 1), pace.promptTokens(4, 1));
}

}  // namespace
}  // namespace llmc::rt
