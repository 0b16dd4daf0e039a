// Who rests, for how long, and who does not.
#include "runtime/device/worker_roster.h"

#include <gtest/gtest.h>

namespace llmc::rt {
namespace {

using Swaps = std::vector<std::pair<uint32_t, uint32_t>>;

/// A machine whose CPUs are taken from whoever works there.
struct Machine {
  explicit Machine(std::vector<double> cpus)
      : taken(std::move(cpus)), roster(static_cast<uint32_t>(taken.size()), 0.1) {}
  /// One look a tenth of a second.
  void look() {
    now += 0.1;
    std::vector<double> waited = taken;
    for (size_t i = roster.active(); i < waited.size(); ++i) waited[i] = 0;
    roster.update(waited, now);
    for (const auto& [one, other] : roster.swaps()) std::swap(taken[one], taken[other]);
  }
  /// Seconds until so many take part; -1: not within `most`.
  double until(uint32_t active, double most) {
    for (const double start = now; now - start < most;) {
      if (roster.active() == active) return now - start;
      look();
    }
    return -1;
  }
  std::vector<double> taken;
  WorkerRoster roster;
  double now = 100;
};

TEST(WorkerRoster, AQuietMachineHasAllAtWork) {
  Machine machine({0.01, 0.02, 0, 0.1});
  for (int i = 0; i < 100; ++i) {
    machine.look();
    ASSERT_EQ(machine.roster.active(), 4u);
  }
}

TEST(WorkerRoster, NobodyRestsForABurst) {
  Machine machine({0, 0, 0, 0});
  for (int i = 0; i < 60; ++i) {
    machine.taken[2] = i % 2 == 0 ? 0.8 : 0.1;
    machine.look();
    ASSERT_EQ(machine.roster.active(), 4u);
  }
}

TEST(WorkerRoster, TheWorkerOfATakenCpuRests) {
  Machine machine({0, 0.5, 0, 0});
  machine.look();
  EXPECT_EQ(machine.roster.active(), 4u) << "it may be gone at once";
  machine.look();
  EXPECT_EQ(machine.roster.active(), 3u);
  EXPECT_EQ(Swaps(machine.roster.swaps().begin(), machine.roster.swaps().end()), (Swaps{{1, 3}}));
  EXPECT_EQ(machine.taken, (std::vector<double>{0, 0, 0, 0.5}));
  machine.look();
  EXPECT_TRUE(machine.roster.swaps().empty());
  EXPECT_EQ(machine.roster.active(), 3u);
}

TEST(WorkerRoster, TheLastOneRestsWithoutAnExchange) {
  Machine machine({0, 0, 0, 0.5});
  machine.look();
  machine.look();
  EXPECT_EQ(machine.roster.active(), 3u);
  EXPECT_TRUE(machine.roster.swaps().empty());
}

TEST(WorkerRoster, TwoOfEightRest) {
  Machine machine({0.5, 0, 0, 0, 0.45, 0, 0, 0});
  machine.look();
  machine.look();
  EXPECT_EQ(machine.roster.active(), 6u);
  EXPECT_EQ(machine.taken[6] + machine.taken[7], 0.95);
}

TEST(WorkerRoster, ProbesLessAndLessOften) {
  Machine machine({0.5, 0, 0, 0});
  double longest = 0;
  for (int i = 0; i < 12; ++i) {
    ASSERT_GE(machine.until(3, 1), 0) << "the probe finds the same";
    const double rest = machine.until(4, 20);
    ASSERT_GE(rest, longest - 0.15);
    longest = std::max(longest, rest);
  }
  EXPECT_NEAR(longest, 0.1 * WorkerRoster::kLongestPause, 0.5);
}

TEST(WorkerRoster, ReturnsSoonAfterAShortRival) {
  Machine machine({0.5, 0, 0, 0});
  machine.look();
  machine.look();
  ASSERT_EQ(machine.roster.active(), 3u);
  machine.taken = {0, 0, 0, 0};
  const double rest = machine.until(4, 2);
  EXPECT_GT(rest, 0);
  EXPECT_LT(rest, 0.1 * WorkerRoster::kFirstPause + 0.35);
  for (int i = 0; i < 50; ++i) machine.look();
  EXPECT_EQ(machine.roster.active(), 4u);
  machine.taken = {0, 0, 0.5, 0};
  machine.look();
  machine.look();
  EXPECT_EQ(machine.roster.active(), 3u) << "the next one is met as the first was";
  EXPECT_LT(machine.until(4, 2), 0.1 * WorkerRoster::kFirstPause + 0.35);
}

TEST(WorkerRoster, StaysWhereARestGainsNothing) {
  for (const std::vector<double>& taken :
       {std::vector<double>{0.5, 0.5, 0.5, 0.5}, {0.5, 0.5, 0, 0}, {0.5, 0}, {0.9, 0.9, 0.9, 0}, {0.5}}) {
    Machine machine(taken);
    for (int i = 0; i < 100; ++i) {
      machine.look();
      ASSERT_EQ(machine.roster.active(), taken.size());
    }
  }
}

TEST(WorkerRoster, ARestThatDoesNotHelpEndsAndIsNotTriedOften) {
  Machine machine({0.15, 0.15, 0.15, 0.15});
  int rested = 0;
  for (int i = 0; i < 300; ++i) {
    machine.look();
    rested += machine.roster.active() < 4;
    // The rival comes along to wherever there is work.
    std::fill(machine.taken.begin(), machine.taken.end(), 0.6 / machine.roster.active());
  }
  EXPECT_GT(rested, 0);
  EXPECT_LT(rested, 15) << "of 300 looks";
}

TEST(WorkerRoster, AnotherRivalWhileOneRests) {
  Machine machine({0.5, 0, 0, 0, 0, 0, 0, 0});
  machine.look();
  machine.look();
  machine.look();
  ASSERT_EQ(machine.roster.active(), 7u);
  machine.taken[2] = 0.5;
  EXPECT_GE(machine.until(6, 1), 0);
}

}  // namespace
}  // namespace llmc::rt
