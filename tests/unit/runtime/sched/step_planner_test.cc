// The shape of a step: budgets, order, rows, growth and who loses its pages.
#include "runtime/sched/step_planner.h"

#include <gtest/gtest.h>

#include "runtime/exec/batch_builder.h"
#include "scheduler_driver.h"

namespace llmc::rt {
namespace {

TEST(StepPlanner, DecodesComeFirstAndThePromptTakesTheRest) {
  SchedulerConfig config = smallConfig();
  config.limits.maxTokens = 20;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 10, 9)));
  ASSERT_TRUE(d.submit(requestOf(2, 10, 9)));
  d.step();
  ASSERT_TRUE(d.submit(requestOf(3, 50, 9)));
  d.begin();
  EXPECT_EQ(d.planned(1), 1u);
  EXPECT_EQ(d.planned(2), 1u);
  EXPECT_EQ(d.planned(3), 18u);
  EXPECT_EQ(d.plan.sequences[2].request, 3u);
  EXPECT_EQ(d.plan.batch[2].rows, RowChoice::kNone);
  EXPECT_EQ(d.plan.tokens, 20u);
  EXPECT_EQ(d.plan.prefillTokens, 18u);
  EXPECT_EQ(d.plan.rows, 2u);
  d.finish();
  d.steps(1);
  d.begin();
  EXPECT_EQ(d.planned(3), 14u);
  EXPECT_EQ(d.plan.samples.size(), 3u);
  EXPECT_EQ(d.plan.samples[2].row, 2u);
}

TEST(StepPlanner, DeterministicChunksNeitherAreNorLeaveOneToken) {
  SchedulerConfig config = smallConfig();
  config.deterministic = true;
  config.limits.maxTokens = 6;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 7)));
  ASSERT_TRUE(d.submit(requestOf(2, 3)));
  d.begin();
  EXPECT_EQ(d.planned(1), 5u);
  EXPECT_EQ(d.planned(2), 0u) << "one token is left";
  d.finish();
  d.begin();
  EXPECT_EQ(d.planned(1), 2u);
  EXPECT_EQ(d.planned(2), 3u);
  d.finish();
  ASSERT_TRUE(d.submit(requestOf(3, 1)));
  d.begin();
  EXPECT_EQ(d.planned(3), 1u) << "a prompt of one token is always alone";
}

TEST(StepPlanner, DeterministicRecomputationTakesGeneratedTokensApartAndSharesPromptsOnly) {
  SchedulerConfig config = smallConfig();
  config.deterministic = true;
  config.policy = Policy::kPriority;
  config.limits.maxSequences = 1;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 33, 40)));
  d.steps(21);  // 33 + 21 tokens: three full pages, the third with generated tokens in it
  RequestSpec better = requestOf(2, 20, 1);
  better.priority = -1;
  ASSERT_TRUE(d.submit(std::move(better)));
  d.step();
  EXPECT_EQ(d.state(1), SequenceState::kPreempted);
  d.begin();
  // One of two full pages of the prompt is found again: a chunk of one token must not be left.
  EXPECT_EQ(d.plan.batch[0].start, 16u);
  EXPECT_EQ(d.planned(1), 17u);
  EXPECT_FALSE(d.plan.batch[0].apart);
  EXPECT_TRUE(d.plan.samples.empty());
  d.finish();
  d.begin();
  EXPECT_EQ(d.planned(1), 21u);
  EXPECT_TRUE(d.plan.batch[0].apart);
  EXPECT_EQ(d.plan.samples.size(), 1u);
}

TEST(StepPlanner, AnExactSequenceIsOneAmongOthers) {
  SchedulerConfig config = smallConfig();
  config.limits.maxTokens = 6;
  Driver d(config);
  RequestSpec exact = requestOf(1, 7);
  exact.exact = true;
  ASSERT_TRUE(d.submit(std::move(exact)));
  ASSERT_TRUE(d.submit(requestOf(2, 3)));
  d.begin();
  EXPECT_EQ(d.planned(1), 5u) << "one token must not be left";
  EXPECT_EQ(d.planned(2), 1u) << "what is left is good enough for others";
  EXPECT_TRUE(d.plan.batch[0].exact);
  EXPECT_FALSE(d.plan.batch[1].exact);
  d.finish();
  d.begin();
  EXPECT_EQ(d.planned(1), 2u);
  EXPECT_EQ(d.planned(2), 2u);
  EXPECT_FALSE(d.plan.batch[0].apart);
  d.finish();
  d.begin();
  EXPECT_TRUE(d.plan.batch[0].apart);
  EXPECT_FALSE(d.plan.batch[1].apart);
}

TEST(StepPlanner, WithoutRoomForChunksExactPromptsComeApartAndWaitForNobody) {
  for (const bool fits : {false, true}) {
    SchedulerConfig config = smallConfig();
    config.limits.maxTokens = config.limits.maxSequences + (fits ? 2 : 1);
    Driver d(config);
    for (RequestId id = 1; id <= 3; ++id) ASSERT_TRUE(d.submit(requestOf(id, 1, 60)));
    d.steps(2);  // three decode
    RequestSpec exact = requestOf(4, 3, 1);
    exact.exact = true;
    ASSERT_TRUE(d.submit(std::move(exact)));
    d.begin();
    EXPECT_EQ(d.planned(4), fits ? 3u : 2u);
    EXPECT_EQ(d.plan.batch[3].apart, !fits);
    d.finish();
    d.step();
    EXPECT_EQ(d.state(4), SequenceState::kFinished);
  }
}

TEST(StepPlanner, ExactSequencesShareCachedPagesOnlyAmongThemselves) {
  Driver d(smallConfig());
  for (RequestId id = 1; id <= 4; ++id) {
    RequestSpec spec = requestOf(id, 40, 1, /*seed=*/7);
    spec.exact = id % 2 == 0;
    ASSERT_TRUE(d.submit(std::move(spec)));
    d.step();
    EXPECT_EQ(d.scheduler->view(id, 0)->cachedTokens, id > 2 ? 32u : 0u) << id;
  }
}

TEST(StepPlanner, ALongPromptDoesNotHoldUpTheOthers) {
  SchedulerConfig config = smallConfig();
  config.prefillTokens = 8;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 60, 20)));
  d.begin();
  EXPECT_EQ(d.planned(1), 60u) << "nobody waits for a token: the whole budget";
  d.finish();
  ASSERT_TRUE(d.submit(requestOf(2, 60, 9)));
  d.begin();
  EXPECT_EQ(d.planned(1), 1u);
  EXPECT_EQ(d.planned(2), 8u);
}

TEST(StepPlanner, WhatAPromptDoesToOthersIsLearned) {
  SchedulerConfig config = smallConfig();
  config.promptStretch = 2;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 10, 60)));
  d.steps(5);  // a second each
  ASSERT_TRUE(d.submit(requestOf(2, 100, 9)));
  d.begin();
  EXPECT_GT(d.planned(2), StepPace::kLeast);
  d.now += d.planned(2);  // a prompt token costs as much as a step
  d.finish();
  d.begin();
  EXPECT_EQ(d.planned(1), 1u);
  EXPECT_EQ(d.planned(2), StepPace::kLeast);
  d.now += d.planned(2);
  d.finish();
  ASSERT_TRUE(d.submit(requestOf(3, 30, 9)));
  d.begin();
  EXPECT_GT(d.planned(2) + d.planned(3), StepPace::kLeast) << "two wait for a first token, one for its next";
}

TEST(StepPlanner, PromptsThatHaveBegunGoOnBeforeNewOnesEnter) {
  SchedulerConfig config = smallConfig();
  config.limits.maxTokens = 30;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 50, 9)));
  ASSERT_TRUE(d.submit(requestOf(2, 50, 9)));
  d.step();
  EXPECT_EQ(d.state(2), SequenceState::kWaiting);
  d.begin();
  EXPECT_EQ(d.planned(1), 20u);
  EXPECT_EQ(d.planned(2), 10u);
}

TEST(StepPlanner, TheBatchIsWhatTheBuilderTakes) {
  SchedulerConfig config = smallConfig();
  Driver d(config);
  BatchBuilder builder(config.limits, 100000, config.pages);
  for (RequestId id = 1; id <= 3; ++id) ASSERT_TRUE(d.submit(requestOf(id, 20 + static_cast<uint32_t>(id), 40)));
  for (int i = 0; i < 40; ++i) {
    d.begin();
    ASSERT_TRUE(builder.build(d.plan.batch));
    ASSERT_EQ(static_cast<uint32_t>(builder.batch().rows), d.plan.rows);
    ASSERT_EQ(static_cast<uint32_t>(builder.batch().tokens), d.plan.tokens);
    d.finish();
  }
}

TEST(StepPlanner, WhenPagesRunOutTheYoungestGivesItsBack) {
  SchedulerConfig config = smallConfig();
  config.pages = 8;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 60, 60)));
  ASSERT_TRUE(d.submit(requestOf(2, 60, 60)));
  d.steps(3);
  while (d.scheduler->stats().preemptions == 0) d.step();
  EXPECT_EQ(d.state(1), SequenceState::kRunning);
  EXPECT_EQ(d.state(2), SequenceState::kPreempted);
  const auto had = d.scheduler->view(2, 0)->tokens.size();
  while (d.reason(2) == EndReason::kNone) d.step();
  EXPECT_GT(had, 60u);
  EXPECT_EQ(d.scheduler->view(2, 0)->tokens.size(), 120u);
  EXPECT_EQ(d.reason(1), EndReason::kLength);
}

TEST(StepPlanner, EvenABetterClassLosesItsPagesWhilePaused) {
  SchedulerConfig config = smallConfig();
  config.pages = 8;
  config.policy = Policy::kPriority;
  Driver d(config);
  RequestSpec worse = requestOf(1, 60, 60), better = requestOf(2, 60, 60);
  worse.priority = 5;
  ASSERT_TRUE(d.submit(worse));
  d.step();
  ASSERT_TRUE(d.submit(better));
  d.steps(2);
  EXPECT_TRUE(d.scheduler->setPaused(2, true));
  while (d.scheduler->stats().preemptions == 0) d.step();
  EXPECT_EQ(d.state(1), SequenceState::kRunning);
  EXPECT_EQ(d.state(2), SequenceState::kPreempted);
}

TEST(StepPlanner, PausedSequencesLoseTheirPagesFirst) {
  SchedulerConfig config = smallConfig();
  config.pages = 8;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 60, 60)));
  ASSERT_TRUE(d.submit(requestOf(2, 60, 60)));
  d.steps(3);
  EXPECT_TRUE(d.scheduler->setPaused(1, true));
  while (d.scheduler->stats().preemptions == 0) d.step();
  EXPECT_EQ(d.state(1), SequenceState::kPreempted);
  EXPECT_EQ(d.state(2), SequenceState::kRunning);
}

}  // namespace
}  // namespace llmc::rt
