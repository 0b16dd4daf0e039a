// Who gets in: order, head of line, places taken, keys, prefixes that are on their way, and the bound on waiting.
#include "runtime/sched/admission.h"

#include <gtest/gtest.h>

#include "scheduler_driver.h"

namespace llmc::rt {
namespace {

RequestSpec withPriority(RequestSpec spec, int32_t priority) {
  spec.priority = priority;
  return spec;
}
RequestSpec withKey(RequestSpec spec, uint64_t key) {
  spec.key = key;
  return spec;
}

TEST(Admission, NobodySlipsPastTheHeadOfTheLine) {
  SchedulerConfig config = smallConfig();
  config.pages = 8;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 60, 20)));
  d.step();
  ASSERT_TRUE(d.submit(requestOf(2, 100, 5)));
  ASSERT_TRUE(d.submit(requestOf(3, 4, 5)));
  d.steps(10);
  EXPECT_EQ(d.state(2), SequenceState::kWaiting);
  EXPECT_EQ(d.state(3), SequenceState::kWaiting) << "it would fit, but would keep the large one waiting";
  EXPECT_TRUE(d.traced(Decision::kWaitsForPages, 2));
  d.steps(10);
  EXPECT_EQ(d.state(2), SequenceState::kPrefilling);
}

TEST(Admission, APriorityTakesThePlaceOfAWorseOne) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  config.policy = Policy::kPriority;
  Driver d(config);
  ASSERT_TRUE(d.submit(withPriority(requestOf(1, 20, 50), 5)));
  d.steps(2);
  ASSERT_TRUE(d.submit(withPriority(requestOf(2, 20, 2), 5)));
  d.step();
  EXPECT_EQ(d.state(1), SequenceState::kRunning) << "an equal one waits";
  ASSERT_TRUE(d.submit(withPriority(requestOf(3, 20, 2), 4)));
  d.begin();
  EXPECT_EQ(d.state(1), SequenceState::kPreempted);
  EXPECT_EQ(d.planned(3), 20u);
  d.finish();
  d.steps(2);
  EXPECT_EQ(d.reason(3), EndReason::kLength);
  EXPECT_EQ(d.state(1), SequenceState::kRunning) << "it came before 2";
  EXPECT_EQ(d.scheduler->stats().recomputedTokens, 22u);
}

TEST(Admission, APlaceIsTakenAlsoWhenTheStepIsFull) {
  SchedulerConfig config = smallConfig();
  config.limits.maxTokens = config.limits.maxRows = 4;
  config.policy = Policy::kPriority;
  Driver d(config);
  for (RequestId id = 1; id <= 4; ++id) ASSERT_TRUE(d.submit(withPriority(requestOf(id, 1, 50), 5)));
  d.steps(2);
  ASSERT_TRUE(d.submit(withPriority(requestOf(9, 3, 2), 1)));
  d.begin();
  EXPECT_EQ(d.planned(9), 1u) << "the token of the one that gave way";
  EXPECT_EQ(d.state(4), SequenceState::kPreempted);
}

TEST(Admission, FcfsTakesNoPlaces) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  Driver d(config);
  ASSERT_TRUE(d.submit(withPriority(requestOf(1, 20, 50), 5)));
  d.step();
  ASSERT_TRUE(d.submit(withPriority(requestOf(2, 20, 2), 0)));
  d.steps(5);
  EXPECT_EQ(d.state(2), SequenceState::kWaiting);
}

TEST(Admission, ASwappedSequenceComesBackWithoutComputingAgain) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  config.policy = Policy::kPriority;
  config.preempt = PreemptMode::kSwap;
  config.hostPages = 8;
  config.prefixCache = false;
  Driver d(config);
  ASSERT_TRUE(d.submit(withPriority(requestOf(1, 20, 50), 5)));
  d.steps(2);
  ASSERT_TRUE(d.submit(withPriority(requestOf(2, 20, 1), 4)));
  d.begin();
  EXPECT_EQ(d.state(1), SequenceState::kSwapped);
  ASSERT_EQ(d.plan.moves.size(), 2u);
  EXPECT_EQ(d.plan.moves[0].kind, PageMove::Kind::kSwapOut);
  d.finish();
  d.begin();
  EXPECT_EQ(d.plan.moves.size(), 2u);
  EXPECT_EQ(d.plan.moves[1].kind, PageMove::Kind::kSwapIn);
  EXPECT_EQ(d.planned(1), 1u);
  d.finish();
  EXPECT_EQ(d.scheduler->stats().recomputedTokens, 0u);
}

TEST(Admission, SwapFallsBackToRecomputingWhenTheHostIsFull) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  config.policy = Policy::kPriority;
  config.preempt = PreemptMode::kSwap;
  config.hostPages = 1;
  Driver d(config);
  ASSERT_TRUE(d.submit(withPriority(requestOf(1, 20, 50), 5)));
  d.step();
  ASSERT_TRUE(d.submit(withPriority(requestOf(2, 20, 1), 4)));
  d.begin();
  EXPECT_EQ(d.state(1), SequenceState::kPreempted);
}

// A request of many answers neither waits for as many places nor lets others wait for them.
TEST(Admission, AGroupTakesThePlacesThatAreFree) {
  Driver d(smallConfig());
  ASSERT_TRUE(d.submit(requestOf(1, 10, 3)));
  ASSERT_TRUE(d.submit(requestOf(2, 10, 30)));
  RequestSpec group = requestOf(3, 10, 30);
  group.choices = 4;
  ASSERT_TRUE(d.submit(group));
  ASSERT_TRUE(d.submit(requestOf(4, 10, 30)));
  d.step();
  for (const uint32_t choice : {0u, 1u}) EXPECT_EQ(d.state(3, choice), SequenceState::kRunning);
  for (const uint32_t choice : {2u, 3u}) EXPECT_EQ(d.state(3, choice), SequenceState::kWaiting);
  d.steps(3);
  EXPECT_EQ(d.state(3, 2), SequenceState::kRunning) << "the place of the first, before the request that came later";
  EXPECT_EQ(d.state(3, 3), SequenceState::kWaiting);
  EXPECT_EQ(d.state(4), SequenceState::kWaiting);
}

TEST(Admission, WhoMayTakeNobodysPlaceSaysThatItWaitsForOne) {
  SchedulerConfig config = smallConfig();
  config.policy = Policy::kPriority;
  Driver d(config);
  for (RequestId id = 1; id <= 5; ++id) ASSERT_TRUE(d.submit(requestOf(id, 10, 30)));
  d.steps(2);
  EXPECT_TRUE(d.traced(Decision::kWaitsForSlot, 5));
}

TEST(Admission, AGroupTakesAsManyPlacesAsItCanHavePages) {
  SchedulerConfig config = smallConfig();
  config.pages = 8;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 60, 60)));
  d.step();
  RequestSpec group = requestOf(2, 40, 5);
  group.choices = 3;
  ASSERT_TRUE(d.submit(group));
  d.step();
  EXPECT_EQ(d.state(2, 1), SequenceState::kRunning) << "4 and 3 pages of 8 are held: one is left to part with";
  EXPECT_EQ(d.state(2, 2), SequenceState::kWaiting);
}

// 16 requests of one key, then one of another: it does not wait for all 16.
TEST(Admission, KeysShareTheMachine) {
  for (const bool fair : {true, false}) {
    SchedulerConfig config = smallConfig();
    config.limits.maxSequences = 1;
    config.fairKeys = fair;
    config.maxQueue = 32;
    Driver d(config);
    for (RequestId id = 1; id <= 16; ++id) ASSERT_TRUE(d.submit(withKey(requestOf(id, 10, 2), 1)));
    d.step();
    ASSERT_TRUE(d.submit(withKey(requestOf(99, 10, 2), 2)));
    d.steps(4);
    EXPECT_EQ(d.reason(99) == EndReason::kLength, fair);
  }
}

TEST(Admission, AKeyRunsNoMoreThanItsBound) {
  SchedulerConfig config = smallConfig();
  config.maxRunningPerKey = 2;
  Driver d(config);
  for (RequestId id = 1; id <= 3; ++id) ASSERT_TRUE(d.submit(withKey(requestOf(id, 10, 9), 1)));
  ASSERT_TRUE(d.submit(withKey(requestOf(4, 10, 9), 2)));
  d.step();
  EXPECT_EQ(d.state(3), SequenceState::kWaiting);
  EXPECT_EQ(d.state(4), SequenceState::kRunning) << "another key's request passes it";
  EXPECT_TRUE(d.traced(Decision::kWaitsForKey, 3));
}

// The case of 64 requests with one system prompt that arrive together.
TEST(Admission, APromptWaitsForAPrefixThatIsBeingComputed) {
  Driver d(smallConfig());
  for (RequestId id = 1; id <= 3; ++id) {
    RequestSpec spec = requestOf(id, 40, 4, 1);
    spec.prompt.back() = static_cast<int32_t>(id);
    ASSERT_TRUE(d.submit(spec));
  }
  ASSERT_TRUE(d.submit(requestOf(5, 10, 4)));
  d.step();
  EXPECT_EQ(d.state(2), SequenceState::kWaiting);
  EXPECT_TRUE(d.traced(Decision::kWaitsForPrefix, 2));
  EXPECT_EQ(d.state(5), SequenceState::kRunning) << "nobody else waits for it";
  d.step();
  for (RequestId id = 2; id <= 3; ++id) EXPECT_EQ(d.scheduler->view(id, 0)->cachedTokens, 32u) << id;
  EXPECT_EQ(d.scheduler->stats().prefix.hits, 2u * 32);
}

TEST(Admission, AWaiterGoesOnWhenThePrefixNeverComes) {
  SchedulerConfig config = smallConfig();
  config.limits.maxTokens = 32;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 100, 4)));
  ASSERT_TRUE(d.submit(requestOf(2, 100, 4, 1)));
  d.step();
  EXPECT_EQ(d.state(2), SequenceState::kWaiting);
  EXPECT_TRUE(d.scheduler->cancel(1, d.now));
  d.begin();
  EXPECT_EQ(d.planned(2), 32u);
  EXPECT_EQ(d.plan.batch[0].start, 0u) << "what a cancelled request computed is not cached";
}

TEST(Admission, PausedSequencesGiveWayToWhoWaits) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  Driver d(config);
  ASSERT_TRUE(d.submit(requestOf(1, 20, 9)));
  d.step();
  ASSERT_TRUE(d.submit(requestOf(2, 20, 2)));
  EXPECT_TRUE(d.scheduler->setPaused(1, true));
  d.begin();
  EXPECT_EQ(d.planned(2), 20u);
  EXPECT_EQ(d.state(1), SequenceState::kPreempted);
}

/// Short prompts keep arriving, as many as can be served. Returns the step in which the long one got its first token,
/// or `most`.
int stepsUntilServed(double starvationSeconds, int most) {
  SchedulerConfig config = smallConfig();
  config.limits.maxSequences = 1;
  config.policy = Policy::kMlfq;
  config.mlfqQuantum = 16;
  config.starvationSeconds = starvationSeconds;
  config.maxQueue = 8;
  Driver d(config);
  EXPECT_TRUE(d.submit(requestOf(1, 100, 4)));
  RequestId id = 2;
  for (int step = 0; step < most; ++step) {
    while (d.scheduler->stats().waiting < 8) EXPECT_TRUE(d.submit(requestOf(id++, 8, 2)));
    d.step();
    if (d.scheduler->view(1, 0)->tokens.size() > 100) return step;
    if (step == 0) EXPECT_EQ(d.state(1), SequenceState::kWaiting) << "it joined a lower level";
  }
  return most;
}

TEST(Admission, MlfqStarvesNobodyBeyondItsBound) {
  // The bound of README.md for one who waits alone in its age: the starvation seconds, one place to be taken, its
  // prompt.
  EXPECT_LE(stepsUntilServed(20, 300), 20 + 1 + 2);
  EXPECT_LE(stepsUntilServed(50, 300), 50 + 1 + 2);
  EXPECT_EQ(stepsUntilServed(1e9, 300), 300) << "without the bound it starves: the test can fail";
}

}  // namespace
}  // namespace llmc::rt
