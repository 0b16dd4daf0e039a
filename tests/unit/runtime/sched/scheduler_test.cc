// A request's life: submission and refusals, ends of every kind in every state, groups, faults.
// Tests: scheduler_state.cc.
#include "runtime/sched/scheduler.h"

#include <gtest/gtest.h>

#include "scheduler_driver.h"

namespace llmc::rt {
namespace {

TEST(Scheduler, RunsARequestFromPromptToLength) {
  Driver d(smallConfig());
  ASSERT_TRUE(d.submit(requestOf(1, 20, 3)));
  EXPECT_EQ(d.state(1), SequenceState::kWaiting);
  d.begin();
  EXPECT_EQ(d.state(1), SequenceState::kPrefilling);
  EXPECT_EQ(d.planned(1), 20u);
  ASSERT_EQ(d.plan.samples.size(), 1u);
  EXPECT_EQ(d.plan.samples[0].position, 20u);
  d.finish();
  EXPECT_EQ(d.state(1), SequenceState::kRunning);
  d.begin();
  EXPECT_EQ(d.planned(1), 1u);
  EXPECT_EQ(d.plan.batch[0].start, 20u);
  EXPECT_EQ(d.plan.batch[0].tokens[0], 20);
  EXPECT_EQ(d.plan.samples[0].generated, 1u);
  d.finish();
  d.step();
  EXPECT_EQ(d.reason(1), EndReason::kLength);
  EXPECT_EQ(d.scheduler->view(1, 0)->tokens.size(), 23u);
  EXPECT_TRUE(d.begin().empty());
  EXPECT_TRUE(d.scheduler->collect(1));
  EXPECT_FALSE(d.scheduler->collect(1));
  EXPECT_FALSE(d.scheduler->view(1, 0));
}

TEST(Scheduler, KnowsTheTimesThatTheMetricsWant) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 20, 3)));
  d.step();
  ASSERT_TRUE(d.submit(requestOf(2, 20, 3)));
  d.steps(3);
  const SequenceView view = *d.scheduler->view(2, 0);
  EXPECT_EQ(view.arrival, 1);
  EXPECT_EQ(view.admittedAt, 3);
  EXPECT_EQ(view.firstTokenAt, 4);
  EXPECT_EQ(view.preemptions, 0u);
}

TEST(Scheduler, RefusesWhatCannotRun) {
  Driver d(smallConfig());
  EXPECT_EQ(d.submit(requestOf(1, 0)).code(), "RT_REQUEST");
  EXPECT_EQ(d.submit(requestOf(1, 5, 0)).code(), "RT_REQUEST");
  RequestSpec none = requestOf(1, 5);
  none.choices = 0;
  EXPECT_EQ(d.submit(none).code(), "RT_REQUEST");
  EXPECT_EQ(d.submit(requestOf(1, 128)).code(), "RT_CONTEXT");
  EXPECT_TRUE(d.submit(requestOf(1, 127)));
  EXPECT_EQ(d.submit(requestOf(1, 5)).code(), "RT_REQUEST") << "the id is in use";
  d.steps(3);
  EXPECT_EQ(d.reason(1), EndReason::kLength) << "one token fits behind 127";
}

TEST(Scheduler, RefusesWhenTheQueueIsFullAndSaysWhenToComeBack) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  config.maxQueue = 10;
  Driver d(config);
  RequestId id = 1;
  // One request a step is admitted and done: a second each.
  for (; id <= 40; ++id) {
    while (d.scheduler->stats().waiting < 10) ASSERT_TRUE(d.submit(requestOf(id++, 8, 1)));
    d.step();
  }
  while (d.scheduler->stats().waiting < 10) ASSERT_TRUE(d.submit(requestOf(id++, 8, 1)));
  const Status status = d.submit(requestOf(999, 8, 1));
  EXPECT_EQ(status.code(), "RT_QUEUE_FULL");
  EXPECT_EQ(exitStatus(status.kind()), 69);
  EXPECT_TRUE(d.traced(Decision::kRefused, 999));
  EXPECT_EQ(d.scheduler->retryAfterSeconds(), 10u);
}

/// Brings request 1 into each state, then cancels it.
void reach(Driver& d, SequenceState state) {
  ASSERT_TRUE(d.submit(requestOf(1, state == SequenceState::kPrefilling ? 100 : 30, 90)));
  if (state == SequenceState::kWaiting) return;
  d.step();
  if (state == SequenceState::kFinished) ASSERT_TRUE(d.scheduler->stop(1, 0, d.now));
  if (state == SequenceState::kPreempted || state == SequenceState::kSwapped) {
    // A better class takes its place.
    RequestSpec urgent = requestOf(2, 100, 20);
    urgent.priority = -1;
    ASSERT_TRUE(d.submit(urgent));
    d.step();
  }
  ASSERT_EQ(d.state(1), state);
}

class CancelIn : public testing::TestWithParam<SequenceState> {};

TEST_P(CancelIn, GivesEverythingBackByTheNextStep) {
  SchedulerConfig config = smallConfig();
  config.policy = Policy::kPriority;
  config.pages = config.hostPages = 8;
  if (GetParam() == SequenceState::kSwapped) config.preempt = PreemptMode::kSwap;
  Driver d(config);
  reach(d, GetParam());
  const bool ended = GetParam() == SequenceState::kFinished;
  EXPECT_EQ(d.scheduler->cancel(1, d.now), !ended);
  EXPECT_EQ(d.state(1), SequenceState::kFinished);
  EXPECT_TRUE(d.scheduler->check());
  EXPECT_EQ(d.scheduler->stats().freeHostPages, 8u);
  if (d.scheduler->view(2, 0)) EXPECT_TRUE(d.scheduler->cancel(2, d.now));
  EXPECT_EQ(d.unownedPages(), 8u);
  d.step();
  EXPECT_EQ(d.reason(1), ended ? EndReason::kStop : EndReason::kCancelled);
  EXPECT_TRUE(d.scheduler->collect(1));
  EXPECT_FALSE(d.scheduler->cancel(1, d.now));
}

INSTANTIATE_TEST_SUITE_P(EveryState, CancelIn,
                         testing::Values(SequenceState::kWaiting, SequenceState::kPrefilling, SequenceState::kRunning,
                                         SequenceState::kPreempted, SequenceState::kSwapped, SequenceState::kFinished),
                         [](const auto& info) { return stateName(info.param); });

TEST(Scheduler, CancelWhileTheStepRunsTakesEffectWithIt) {
  Driver d(smallConfig());
  ASSERT_TRUE(d.submit(requestOf(1, 20, 9)));
  d.begin();
  EXPECT_TRUE(d.scheduler->cancel(1, d.now));
  EXPECT_EQ(d.state(1), SequenceState::kPrefilling) << "its pages are being written";
  d.finish();
  EXPECT_EQ(d.reason(1), EndReason::kCancelled);
  EXPECT_EQ(d.scheduler->view(1, 0)->tokens.size(), 20u) << "the token of that step is dropped";
  EXPECT_EQ(d.unownedPages(), 32u);
  EXPECT_EQ(d.scheduler->stats().idlePages, 0u) << "nor is the page that the step computed found again";
}

TEST(Scheduler, PagesOfAbortedSequencesAreNotCachedWhateverTheirState) {
  SchedulerConfig config = smallConfig();
  config.policy = Policy::kPriority;
  config.pages = config.hostPages = 8;
  for (const PreemptMode mode : {PreemptMode::kRecompute, PreemptMode::kSwap}) {
    config.preempt = mode;
    Driver d(config);
    reach(d, mode == PreemptMode::kSwap ? SequenceState::kSwapped : SequenceState::kPreempted);
    EXPECT_GT(d.scheduler->stats().prefix.published, 0u);
    EXPECT_TRUE(d.scheduler->cancel(1, d.now));
    if (d.scheduler->view(2, 0)) EXPECT_TRUE(d.scheduler->cancel(2, d.now));
    EXPECT_EQ(d.scheduler->stats().idlePages, 0u);
    EXPECT_TRUE(d.scheduler->check());
  }
}

TEST(Scheduler, DeadlinesEndWaitingAndRunningRequests) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  Driver d(config);
  RequestSpec runs = requestOf(1, 10, 50), waits = requestOf(2, 10, 50);
  runs.deadline = 3;
  waits.deadline = 2;
  ASSERT_TRUE(d.submit(runs));
  ASSERT_TRUE(d.submit(waits));
  d.steps(3);
  EXPECT_EQ(d.reason(2), EndReason::kDeadline);
  EXPECT_EQ(d.reason(1), EndReason::kNone);
  d.step();
  EXPECT_EQ(d.reason(1), EndReason::kDeadline);
  EXPECT_EQ(d.scheduler->stats().idlePages, 0u);
}

TEST(Scheduler, ChoicesShareThePromptAndPartOnWriting) {
  Driver d(smallConfig());
  RequestSpec spec = requestOf(1, 40, 5);
  spec.choices = 3;
  ASSERT_TRUE(d.submit(spec));
  d.begin();
  EXPECT_EQ(d.plan.batch.size(), 1u) << "the prompt is computed once";
  ASSERT_EQ(d.plan.samples.size(), 3u);
  for (const auto& sample : d.plan.samples) EXPECT_EQ(sample.row, 0u);
  d.outcome = [](const PlannedSample& s) {
    return SampleOutcome{static_cast<int32_t>(100 * s.choice + s.generated), {}};
  };
  d.finish();
  EXPECT_EQ(d.unownedPages(), 32u - 3);
  d.begin();
  EXPECT_EQ(d.plan.batch.size(), 3u);
  EXPECT_EQ(d.plan.moves.size(), 2u) << "two copy the partial page, the third keeps it";
  EXPECT_EQ(d.plan.moves[0].kind, PageMove::Kind::kCopy);
  EXPECT_EQ(d.plan.batch[0].pages[1], d.plan.batch[2].pages[1]);
  EXPECT_NE(d.plan.batch[0].pages[2], d.plan.batch[1].pages[2]);
  d.finish();
  EXPECT_TRUE(d.scheduler->stop(1, 1, d.now));
  d.steps(4);
  EXPECT_EQ(d.reason(1, 1), EndReason::kStop);
  EXPECT_EQ(d.reason(1, 2), EndReason::kLength);
  EXPECT_EQ(d.scheduler->view(1, 2)->tokens[41], 201);
  EXPECT_TRUE(d.ends.back().last);
}

TEST(Scheduler, ChoicesWithoutAPlaceWaitForOne) {
  Driver d(smallConfig());  // 4 places
  RequestSpec spec = requestOf(1, 40, 3);
  spec.choices = 6;
  ASSERT_TRUE(d.submit(spec));
  ASSERT_TRUE(d.submit(requestOf(2, 8, 1)));
  d.begin();
  ASSERT_EQ(d.plan.samples.size(), 4u);
  d.finish();
  EXPECT_EQ(d.state(1, 3), SequenceState::kRunning);
  for (const uint32_t choice : {4u, 5u}) EXPECT_EQ(d.state(1, choice), SequenceState::kWaiting);
  EXPECT_EQ(d.scheduler->stats().waiting, 3u);
  d.steps(2);
  for (uint32_t choice = 0; choice < 4; ++choice) EXPECT_EQ(d.reason(1, choice), EndReason::kLength);
  d.begin();
  EXPECT_EQ(d.planned(1, 4), 8u) << "two of three pages of the prompt are found again";
  EXPECT_EQ(d.planned(1, 5), 8u);
  EXPECT_EQ(d.planned(2), 8u) << "and the next request beside them";
  d.finish();
  d.steps(2);
  for (const uint32_t choice : {4u, 5u}) {
    EXPECT_EQ(d.reason(1, choice), EndReason::kLength);
    EXPECT_EQ(d.scheduler->view(1, choice)->cachedTokens, 32u);
  }
  EXPECT_EQ(d.scheduler->stats().preemptions, 0u);
  EXPECT_TRUE(d.ends.back().last);
  EXPECT_EQ(d.unownedPages(), 32u);
}

TEST(Scheduler, ChoicesThatWaitEndWithTheirRequest) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  Driver d(config);
  RequestSpec spec = requestOf(1, 40, 30);
  spec.choices = 3;
  spec.deadline = 50;
  ASSERT_TRUE(d.submit(spec));
  d.steps(3);
  EXPECT_EQ(d.state(1, 2), SequenceState::kWaiting);
  EXPECT_FALSE(d.scheduler->stop(1, 2, d.now)) << "it has not begun to generate";
  EXPECT_TRUE(d.scheduler->cancel(1, d.now));
  d.step();
  for (const uint32_t choice : {0u, 1u, 2u}) EXPECT_EQ(d.reason(1, choice), EndReason::kCancelled);
  EXPECT_TRUE(d.scheduler->collect(1));
  EXPECT_EQ(d.unownedPages(), 32u);
}

TEST(Scheduler, AFaultEndsItsSequenceAloneAndUncachesWhatItHeld) {
  Driver d(smallConfig());
  ASSERT_TRUE(d.submit(requestOf(1, 32, 9)));
  ASSERT_TRUE(d.submit(requestOf(2, 32, 9)));
  d.steps(2);
  d.begin();
  ASSERT_EQ(d.plan.sequences[0].request, 1u);
  d.finish({0});
  EXPECT_EQ(d.reason(1), EndReason::kFailed);
  EXPECT_EQ(d.state(2), SequenceState::kRunning);
  d.begin();
  ASSERT_EQ(d.plan.moves.size(), 3u);
  for (const PageMove& move : d.plan.moves) EXPECT_EQ(move.kind, PageMove::Kind::kClear);
  d.finish();
  ASSERT_TRUE(d.submit(requestOf(3, 33, 1, 1)));
  ASSERT_TRUE(d.submit(requestOf(4, 33, 1, 2)));
  d.step();
  EXPECT_EQ(d.scheduler->view(3, 0)->cachedTokens, 0u);
  EXPECT_EQ(d.scheduler->view(4, 0)->cachedTokens, 32u);
}

TEST(Scheduler, LogitsThatAreNotFiniteEndTheRequest) {
  Driver d(smallConfig());
  RequestSpec spec = requestOf(1, 20, 9);
  spec.choices = 2;
  ASSERT_TRUE(d.submit(spec));
  d.outcome = [](const PlannedSample& s) {
    return SampleOutcome{5, s.choice == 1 ? Verdict::kFail : Verdict::kContinue};
  };
  d.step();
  EXPECT_EQ(d.reason(1, 1), EndReason::kFailed);
  EXPECT_EQ(d.state(1, 0), SequenceState::kRunning);
}

TEST(Scheduler, ALaterRequestFindsThePrefixAndTheStatisticsSaySo) {
  Driver d(smallConfig());
  ASSERT_TRUE(d.submit(requestOf(1, 50, 1)));
  d.step();
  ASSERT_TRUE(d.submit(requestOf(2, 50, 1, 1)));
  d.begin();
  EXPECT_EQ(d.planned(2), 2u);
  EXPECT_EQ(d.plan.batch[0].start, 48u);
  d.finish();
  EXPECT_EQ(d.scheduler->view(2, 0)->cachedTokens, 48u);
  EXPECT_EQ(d.scheduler->stats().prefix.queries, 100u);
  EXPECT_EQ(d.scheduler->stats().prefix.hits, 48u);
}

TEST(Scheduler, OtherSaltsShareNothing) {
  Driver d(smallConfig());
  ASSERT_TRUE(d.submit(requestOf(1, 50, 1)));
  d.step();
  RequestSpec other = requestOf(2, 50, 1, 1);
  other.salt = {3, 4};
  ASSERT_TRUE(d.submit(other));
  d.step();
  EXPECT_EQ(d.scheduler->view(2, 0)->cachedTokens, 0u);
}

TEST(Scheduler, APausedRequestKeepsItsPagesButRunsNot) {
  Driver d(smallConfig());
  ASSERT_TRUE(d.submit(requestOf(1, 20, 9)));
  d.step();
  EXPECT_TRUE(d.scheduler->setPaused(1, true));
  EXPECT_TRUE(d.begin().empty());
  EXPECT_EQ(d.unownedPages(), 30u);
  EXPECT_TRUE(d.scheduler->setPaused(1, false));
  d.begin();
  EXPECT_EQ(d.planned(1), 1u);
  EXPECT_FALSE(d.scheduler->setPaused(7, true));
}

TEST(Scheduler, PromptRowsComeOnceForEveryToken) {
  SchedulerConfig config = smallConfig();
  config.limits.maxRows = 16;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(9, 40, 1)));
  d.step();
  RequestSpec spec = requestOf(1, 40, 2, 9);
  spec.allPromptRows = true;
  ASSERT_TRUE(d.submit(spec));
  uint32_t rows = 0;
  for (int i = 0; i < 3; ++i) {
    d.begin();
    EXPECT_EQ(d.plan.batch[0].rows, RowChoice::kAll);
    rows += d.plan.rows;
    d.finish();
  }
  EXPECT_EQ(rows, 40u) << "a cached prefix gives no logits and is not read";
  d.begin();
  EXPECT_EQ(d.plan.batch[0].rows, RowChoice::kLast);
}

}  // namespace
}  // namespace llmc::rt
