// The step after one that runs: when there is one, and what becomes of it when the first one says otherwise.
#include <gtest/gtest.h>

#include "scheduler_driver.h"

namespace llmc::rt {
namespace {

/// Two requests of 10 tokens that decode, and a plan that is not completed.
struct Decoding : Driver {
  explicit Decoding(const SchedulerConfig& config = smallConfig(), uint32_t maxNew = 50) : Driver(config) {
    EXPECT_TRUE(submit(requestOf(1, 10, maxNew)));
    EXPECT_TRUE(submit(requestOf(2, 10, maxNew)));
    steps(2);
    begin();
  }
  const StepPlan* ahead() { return next = scheduler->planAhead(now); }
  /// Completes the plan with a stop token for request `stops`, and goes on to the next one.
  void finishWith(RequestId stops, Verdict verdict = Verdict::kStop) {
    outcome = [=](const PlannedSample& sample) {
      return SampleOutcome{static_cast<int32_t>(sample.position),
                           sample.request == stops ? verdict : Verdict::kContinue};
    };
    finish();
    outcome = nullptr;
    if (next) plan = *next;
  }
  const StepPlan* next = nullptr;
};

TEST(StepAhead, TakesEachTokenFromTheRowBeforeAtTheNextPosition) {
  Decoding d;
  const StepPlan* next = d.ahead();
  ASSERT_TRUE(next);
  ASSERT_EQ(next->batch.size(), 2u);
  EXPECT_EQ(next->tokens, 2u);
  EXPECT_EQ(next->rows, 2u);
  EXPECT_TRUE(next->moves.empty());
  for (uint32_t i = 0; i < 2; ++i) {
    ASSERT_EQ(next->batch[i].tokens.size(), 1u);
    EXPECT_EQ(next->batch[i].tokens[0], -1 - static_cast<int32_t>(i));
    EXPECT_EQ(next->batch[i].start, 12u);
    EXPECT_EQ(next->samples[i].position, 13u);
    EXPECT_EQ(next->samples[i].generated, 3u);
    EXPECT_EQ(next->samples[i].row, i);
  }
  EXPECT_EQ(d.scheduler->planAhead(d.now), nullptr) << "one is enough";
  d.finishWith(0);
  EXPECT_TRUE(d.ahead()) << "after the second, while it runs";
  d.finishWith(0);
  d.finishWith(0);
  EXPECT_EQ(d.scheduler->view(1, 0)->tokens.size(), 15u);
  EXPECT_EQ(d.scheduler->view(2, 0)->tokens.size(), 15u);
}

TEST(StepAhead, APromptThatEndsGoesOn) {
  Driver d(smallConfig());
  ASSERT_TRUE(d.submit(requestOf(1, 16, 9)));
  d.begin();
  const StepPlan* next = d.scheduler->planAhead(d.now);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->batch[0].start, 16u);
  EXPECT_EQ(next->batch[0].pages.size(), 2u) << "a page more, before the token is known";
}

TEST(StepAhead, WhoStopsIsDroppedAndGivesItsPagesBack) {
  Decoding d;
  ASSERT_TRUE(d.ahead());
  d.finishWith(2);
  EXPECT_EQ(d.reason(2), EndReason::kStop);
  ASSERT_EQ(d.plan.samples.size(), 2u);
  EXPECT_FALSE(d.plan.samples[0].dropped);
  EXPECT_TRUE(d.plan.samples[1].dropped);
  EXPECT_EQ(d.scheduler->stats().totalPages - d.unownedPages(), 1u);
  EXPECT_TRUE(d.scheduler->collect(2)) << "at once, with the step still running";
  ASSERT_TRUE(d.submit(requestOf(2, 10, 9)));  // in the record of the one before
  d.next = nullptr;
  d.finishWith(0);
  EXPECT_EQ(d.scheduler->view(2, 0)->tokens.size(), 10u) << "the result of the old one is nobody's";
}

TEST(StepAhead, CancelledMeanwhileEndsWithTheStepThatRuns) {
  Decoding d;
  ASSERT_TRUE(d.ahead());
  EXPECT_TRUE(d.scheduler->cancel(1, d.now));
  d.finishWith(0);
  EXPECT_EQ(d.reason(1), EndReason::kCancelled);
  EXPECT_TRUE(d.plan.samples[0].dropped);
  EXPECT_TRUE(d.scheduler->cancel(2, d.now));
  EXPECT_EQ(d.ahead(), nullptr) << "nobody goes on";
  d.finishWith(0);
  EXPECT_EQ(d.reason(2), EndReason::kCancelled);
  EXPECT_EQ(d.scheduler->view(2, 0)->tokens.size(), 13u);
  EXPECT_EQ(d.unownedPages(), d.scheduler->stats().totalPages);
}

TEST(StepAhead, EndsThatAreKnownAreLeftOut) {
  Decoding d(smallConfig(), 4);
  const StepPlan* next = d.ahead();
  ASSERT_TRUE(next) << "the fourth token of each";
  d.finishWith(0);
  EXPECT_EQ(d.ahead(), nullptr) << "there is no fifth";
  d.finishWith(0);
  EXPECT_EQ(d.reason(1), EndReason::kLength);
  EXPECT_EQ(d.reason(2), EndReason::kLength);
}

TEST(StepAhead, ATokenThatComesAgainIsPlannedOnceMoreAndNothingBesideIt) {
  Decoding d;
  ASSERT_TRUE(d.ahead());
  d.finishWith(1, Verdict::kAgain);
  EXPECT_TRUE(d.plan.samples[0].dropped);
  EXPECT_EQ(d.ahead(), nullptr) << "one is left out of the step that runs";
  d.finishWith(0);
  EXPECT_EQ(d.scheduler->view(1, 0)->tokens.size(), 12u);
  EXPECT_EQ(d.scheduler->view(2, 0)->tokens.size(), 14u);
  d.begin();
  EXPECT_EQ(d.plan.batch[0].start, 11u);
  EXPECT_EQ(d.ahead(), nullptr) << "its logits must stay";
  d.finishWith(0);
  EXPECT_EQ(d.scheduler->view(1, 0)->tokens.size(), 13u);
  d.begin();
  EXPECT_NE(d.ahead(), nullptr);
}

TEST(StepAhead, AFaultClearsPagesBeforeTheyAreHandedOutAgain) {
  Decoding d;
  ASSERT_TRUE(d.ahead());
  d.finishWith(1, Verdict::kFail);
  EXPECT_EQ(d.reason(1), EndReason::kFailed);
  EXPECT_EQ(d.ahead(), nullptr) << "a page waits to be cleared";
  d.finishWith(0);
  d.begin();
  ASSERT_EQ(d.plan.moves.size(), 1u);
  EXPECT_EQ(d.plan.moves[0].kind, PageMove::Kind::kClear);
  EXPECT_NE(d.ahead(), nullptr) << "cleared by the step that runs";
}

TEST(StepAhead, NotWhereSomebodyMayEnter) {
  Decoding d;
  ASSERT_TRUE(d.submit(requestOf(3, 10, 9)));
  EXPECT_EQ(d.ahead(), nullptr);
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 2;
  Decoding full(config);
  ASSERT_TRUE(full.submit(requestOf(3, 10, 9)));
  EXPECT_NE(full.ahead(), nullptr) << "there is no place";
  config.policy = Policy::kPriority;
  Decoding priority(config);
  ASSERT_TRUE(priority.submit(requestOf(3, 10, 9)));
  EXPECT_EQ(priority.ahead(), nullptr) << "it may take one";
  config.policy = Policy::kFcfs;
  Decoding ends(config, 3);
  ASSERT_TRUE(ends.submit(requestOf(3, 10, 9)));
  EXPECT_EQ(ends.ahead(), nullptr) << "both places come free";
}

TEST(StepAhead, WhoWaitsForPagesWaitsOn) {
  SchedulerConfig config = smallConfig();
  config.pages = 8;
  Decoding d(config);
  d.finish();
  ASSERT_TRUE(d.submit(requestOf(3, 110, 9)));
  d.begin();
  EXPECT_TRUE(d.traced(Decision::kWaitsForPages, 3));
  EXPECT_NE(d.ahead(), nullptr);
}

TEST(StepAhead, NotWithoutPagesNorWhereAGroupParts) {
  SchedulerConfig config = smallConfig();
  config.limits.maxContext = 32;
  config.pages = 2;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 15, 9)));
  ASSERT_TRUE(d.submit(requestOf(2, 14, 9)));
  d.steps(1);  // 16 and 15 tokens
  d.begin();
  EXPECT_EQ(d.scheduler->planAhead(d.now), nullptr) << "the first needs a second page";
  Driver group(smallConfig());
  RequestSpec spec = requestOf(1, 10, 9);
  spec.choices = 2;
  ASSERT_TRUE(group.submit(std::move(spec)));
  group.begin();
  EXPECT_EQ(group.scheduler->planAhead(0), nullptr) << "its choices part with this step";
}

TEST(StepAhead, NotBesidePromptsThatGoOnNorForRowsOfPrompts) {
  SchedulerConfig config = smallConfig();
  config.limits.maxTokens = 20;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 50, 9)));
  d.begin();
  EXPECT_EQ(d.scheduler->planAhead(0), nullptr);
  Driver rows(smallConfig());
  RequestSpec spec = requestOf(1, 10, 9);
  spec.allPromptRows = true;
  ASSERT_TRUE(rows.submit(std::move(spec)));
  rows.begin();
  EXPECT_EQ(rows.scheduler->planAhead(0), nullptr);
  EXPECT_EQ(Driver(smallConfig()).scheduler->planAhead(0), nullptr) << "no step runs";
}

TEST(StepAhead, PausedOnesStayOut) {
  Decoding d;
  d.scheduler->setPaused(1, true);
  const StepPlan* next = d.ahead();
  ASSERT_TRUE(next);
  ASSERT_EQ(next->batch.size(), 1u);
  EXPECT_EQ(next->sequences[0].request, 2u);
  EXPECT_EQ(next->batch[0].tokens[0], -2);
  d.finishWith(0);
  d.scheduler->setPaused(1, false);
  EXPECT_EQ(d.ahead(), nullptr) << "it goes on with the next plan";
  d.finishWith(0);
  d.begin();
  EXPECT_EQ(d.planned(1), 1u);
}

}  // namespace
}  // namespace llmc::rt
