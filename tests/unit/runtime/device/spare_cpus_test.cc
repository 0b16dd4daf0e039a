// Who moves, where to, and when nobody does.
#include "runtime/device/spare_cpus.h"

#include <gtest/gtest.h>

#include <set>

namespace llmc::rt {
namespace {

using Waits = std::vector<double>;

TEST(SpareCpus, TheWorkerThatWaitsMostMovesAtTheSecondLook) {
  SpareCpus spare(std::vector<int>{4, 5});
  const std::vector<int> cpus = {0, 1, 2};
  EXPECT_FALSE(spare.look(Waits{0.4, 0.5, 0}, cpus, true)) << "it may be a burst";
  const auto move = spare.look(Waits{0.4, 0.5, 0}, cpus, true);
  ASSERT_TRUE(move);
  EXPECT_EQ(move->worker, 1u);
  EXPECT_EQ(move->cpu, 4);
}

TEST(SpareCpus, NobodyMovesOnAQuietMachineNorForBursts) {
  SpareCpus spare(std::vector<int>{4});
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(spare.look(Waits{0.1, 0.2}, std::vector<int>{0, 1}, true));
    EXPECT_FALSE(spare.look(Waits{0.9, 0}, std::vector<int>{0, 1}, true));
  }
}

TEST(SpareCpus, NowhereToGo) {
  SpareCpus spare({});
  EXPECT_FALSE(spare.any());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(spare.look(Waits{0.9}, std::vector<int>{0}, true));
  EXPECT_FALSE(SpareCpus(std::vector<int>{1}).look({}, {}, true));
}

TEST(SpareCpus, TriesEachOfTheOthersInTurn) {
  SpareCpus spare(std::vector<int>{1, 2, 3});
  std::vector<int> cpus = {0}, tried;
  for (int i = 0; i < 8; ++i)
    if (const auto move = spare.look(Waits{0.5}, cpus, true)) tried.push_back(cpus[0] = move->cpu);
  EXPECT_EQ(tried, (std::vector<int>{1, 2, 3, 0}));
}

/// Both have CPUs 0 and 1, with 2 and 3 to spare; a CPU that both have makes each wait half of the time.
TEST(SpareCpus, TwoProcessesPart) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    struct Process {
      SpareCpus spare{std::vector<int>{2, 3}};
      std::vector<int> cpus = {0, 1};
    } processes[2];
    uint32_t random = seed;
    int looks = 0;
    const auto together = [&] {
      return std::set<int>{processes[0].cpus[0], processes[0].cpus[1], processes[1].cpus[0], processes[1].cpus[1]}
          .size();
    };
    for (; looks < 200 && together() < 4; ++looks) {
      std::vector<std::optional<SpareCpus::Move>> moves;
      for (int p = 0; p < 2; ++p) {
        Waits waited;
        const std::vector<int>& other = processes[1 - p].cpus;
        for (const int cpu : processes[p].cpus) waited.push_back(cpu == other[0] || cpu == other[1] ? 0.5 : 0);
        random = random * 1664525 + 1013904223;
        moves.push_back(processes[p].spare.look(waited, processes[p].cpus, random >> 31 != 0));
      }
      for (int p = 0; p < 2; ++p)
        if (moves[p]) processes[p].cpus[moves[p]->worker] = moves[p]->cpu;
    }
    EXPECT_EQ(together(), 4u) << "seed " << seed << " after " << looks;
  }
}

}  // namespace
}  // namespace llmc::rt
