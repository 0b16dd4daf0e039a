// Orders of the policies.
#include "runtime/sched/ranking.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

Ranking rankingOf(Policy policy) {
  SchedulerConfig config;
  config.policy = policy;
  config.mlfqLevels = 3;
  config.mlfqQuantum = 100;
  config.starvationSeconds = 5;
  return Ranking(config);
}

TEST(Ranking, FcfsIsByArrival) {
  const Ranking ranking = rankingOf(Policy::kFcfs);
  Sequence a, b;
  a.arrival = 1, a.priority = 9;
  b.arrival = 2;
  EXPECT_LT(ranking.running(a), ranking.running(b));
  b.arrival = 1, b.serial = 1;
  EXPECT_LT(ranking.running(a), ranking.running(b)) << "the serial breaks ties";
}

TEST(Ranking, PriorityIsLowestFirstOverTheWholeRange) {
  const Ranking ranking = rankingOf(Policy::kPriority);
  Sequence a, b;
  a.priority = INT64_MIN, b.priority = INT64_MAX;
  a.arrival = 2;
  EXPECT_LT(ranking.running(a), ranking.running(b));
  EXPECT_GT(ranking.rankClass(a), 0u) << "class 0 is for those who waited too long";
}

TEST(Ranking, SkipJoinByPromptLength) {
  const Ranking ranking = rankingOf(Policy::kMlfq);
  EXPECT_EQ(ranking.joinLevel(100), 0u);
  EXPECT_EQ(ranking.joinLevel(101), 1u);
  EXPECT_EQ(ranking.joinLevel(200), 1u);
  EXPECT_EQ(ranking.joinLevel(100000), 2u);
}

TEST(Ranking, SinksByServiceAndNoDeeperThanTheLastLevel) {
  const Ranking ranking = rankingOf(Policy::kMlfq);
  Sequence s;
  EXPECT_FALSE(ranking.serve(s, 99));
  EXPECT_TRUE(ranking.serve(s, 1));
  EXPECT_EQ(s.level, 1u);
  EXPECT_FALSE(ranking.serve(s, 199));
  EXPECT_TRUE(ranking.serve(s, 1));
  EXPECT_FALSE(ranking.serve(s, 100000));
  EXPECT_EQ(s.level, 2u);
}

TEST(Ranking, WhoWaitedForTheBoundGoesFirstUnderEveryPolicy) {
  for (const Policy policy : {Policy::kFcfs, Policy::kPriority, Policy::kMlfq}) {
    const Ranking ranking = rankingOf(policy);
    KeyLedger keys;
    Sequence old, other;
    old.key = other.key = keys.enter(1);
    old.priority = 100, old.level = 2, old.arrival = 10, old.waitingSince = 10;
    EXPECT_FALSE(ranking.age(old, 14.9));
    EXPECT_TRUE(ranking.age(old, 15));
    EXPECT_FALSE(ranking.age(old, 16)) << "once";
    EXPECT_LT(ranking.waiting(old, keys), ranking.waiting(other, keys));
  }
}

TEST(Ranking, KeysCountForWaitingAndNotForRunning) {
  const Ranking ranking = rankingOf(Policy::kFcfs);
  KeyLedger keys;
  Sequence a, b;
  a.key = keys.enter(1), b.key = keys.enter(2);
  a.arrival = 1, b.arrival = 2;
  keys.charge(a.key, 10);
  EXPECT_LT(ranking.waiting(b, keys), ranking.waiting(a, keys));
  EXPECT_LT(ranking.running(a), ranking.running(b));
}

}  // namespace
}  // namespace llmc::rt
