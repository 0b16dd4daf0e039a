// Placement of workers on invented machines, and the cgroup quota format.
#include "runtime/device/cpu_topology.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

namespace llmc::rt {
namespace {

/// The first `count` CPUs of an invented machine.
std::vector<LogicalCpu> machine(const char* synthetic, int count) {
  std::vector<int> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  auto topology = MachineTopology::fromSynthetic(synthetic);
  EXPECT_TRUE(topology) << topology.status().toString();
  return topology->cpusOf(ids);
}

// Two sockets with a node, two cores and two threads a core each, numbered as Linux does: second threads come last.
std::vector<LogicalCpu> twoSockets() { return machine("package:2 [numa] core:2 pu:2(indexes=0,4,1,5,2,6,3,7)", 8); }

std::vector<int> placed(std::span<const LogicalCpu> cpus, int workers, int quota) {
  return placeWorkers(cpus, workers, quota).cpuIds();
}

TEST(CpuTopology, OneWorkerAPhysicalCore) {
  EXPECT_EQ(placed(twoSockets(), 0, 0), (std::vector<int>{0, 1, 2, 3}));
  const Placement placement = placeWorkers(twoSockets(), 0, 0);
  EXPECT_EQ(placement.cpus, 8);
  EXPECT_EQ(placement.cores, 4);
  EXPECT_TRUE(placement.ownCpus());
}

TEST(CpuTopology, QuotaLimitsTheDefaultOnly) {
  EXPECT_EQ(placed(twoSockets(), 0, 2).size(), 2u);
  EXPECT_EQ(placed(twoSockets(), 0, 100).size(), 4u);
  EXPECT_EQ(placed(twoSockets(), 3, 2).size(), 3u);
}

TEST(CpuTopology, SecondThreadsComeAfterAllCores) {
  EXPECT_EQ(placed(twoSockets(), 6, 0), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(placed(twoSockets(), 9, 0).back(), 0);
  EXPECT_FALSE(placeWorkers(twoSockets(), 9, 0).ownCpus());
}

TEST(CpuTopology, RespectsTheAffinityMask) {
  const auto topology = MachineTopology::fromSynthetic("package:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)").take();
  EXPECT_EQ(placed(topology.cpusOf(std::vector<int>{5, 7}), 0, 0), (std::vector<int>{5, 7}));
  EXPECT_EQ(placed(topology.cpusOf(std::vector<int>{1, 5}), 0, 0), (std::vector<int>{1})) << "two threads of a core";
  EXPECT_EQ(placed(topology.cpusOf(std::vector<int>{1, 5}), 2, 0), (std::vector<int>{1, 5}));
}

TEST(CpuTopology, OneCore) {
  const auto cpus = machine("core:1 pu:2", 2);
  EXPECT_EQ(placed(cpus, 0, 0), (std::vector<int>{0}));
  EXPECT_EQ(placementText(placeWorkers(cpus, 0, 0)), "1 worker on CPU 0, one a physical core");
  EXPECT_EQ(placementText(placeWorkers(cpus, 2, 0)), "2 workers on CPUs 0-1, 1 beside another on its core");
}

TEST(CpuTopology, FastCoresComeFirst) {
  // Two slow cores, then two fast ones with two threads each.
  const std::vector<LogicalCpu> hybrid = {{0, 0, 0, 0}, {1, 1, 0, 0}, {2, 2, 0, 1},
                                          {3, 2, 0, 1}, {4, 3, 0, 1}, {5, 3, 0, 1}};
  EXPECT_EQ(placed(hybrid, 2, 0), (std::vector<int>{2, 4}));
  EXPECT_EQ(placed(hybrid, 0, 0), (std::vector<int>{2, 4, 0, 1}));
  EXPECT_EQ(placed(hybrid, 6, 0), (std::vector<int>{2, 4, 0, 1, 3, 5}));
  EXPECT_EQ(placementText(placeWorkers(hybrid, 0, 0)),
            "4 workers on CPUs 0-2,4, one a physical core, 2 on the fastest cores");
  EXPECT_EQ(placementText(placeWorkers(hybrid, 2, 0)), "2 workers on CPUs 2,4, one a physical core of 4");
}

TEST(CpuTopology, SpareCoresAreLikeThoseInUse) {
  using Ids = std::vector<int>;
  EXPECT_EQ(placeWorkers(twoSockets(), 1, 0).spare, (Ids{1})) << "on the same node, and no second threads";
  EXPECT_EQ(placeWorkers(twoSockets(), 3, 0).spare, (Ids{3}));
  EXPECT_TRUE(placeWorkers(twoSockets(), 4, 0).spare.empty());
  EXPECT_TRUE(placeWorkers(twoSockets(), 9, 0).spare.empty());
  const std::vector<LogicalCpu> hybrid = {{0, 0, 0, 1}, {1, 1, 0, 1}, {2, 2, 0, 0}, {3, 3, 0, 0}};
  EXPECT_EQ(placeWorkers(hybrid, 1, 0).spare, (Ids{1}));
  EXPECT_EQ(placeWorkers(hybrid, 3, 0).spare, (Ids{3}));
}

TEST(CpuTopology, SharedMemoryIsSpreadOverTheNodesOfTheWorkers) {
  EXPECT_EQ(placeWorkers(twoSockets(), 0, 0).sharedNodes(), (std::vector<int>{0, 1}));
  EXPECT_TRUE(placeWorkers(twoSockets(), 2, 0).sharedNodes().empty()) << "both on node 0, and so is what they touch";
  EXPECT_TRUE(placeWorkers(machine("core:4 pu:1", 4), 0, 0).sharedNodes().empty());
  const auto topology = MachineTopology::fromSynthetic("node:4 core:1 pu:1").take();
  EXPECT_EQ(placeWorkers(topology.cpusOf(std::vector<int>{1, 3}), 0, 0).sharedNodes(), (std::vector<int>{1, 3}));
}

TEST(CpuTopology, TextOfAPlacement) {
  const Placement two = placeWorkers(twoSockets(), 0, 0);
  EXPECT_EQ(placementText(two), "4 workers on CPUs 0-3, one a physical core");
  EXPECT_EQ(placementText(two, two.sharedNodes()),
            "4 workers on CPUs 0-3, one a physical core, memory spread over nodes 0-1");
  EXPECT_EQ(placementText(placeWorkers(twoSockets(), 0, 1)),
            "1 worker on CPU 0, one a physical core of 4, quota of 1 CPU");
  EXPECT_EQ(placementText(placeWorkers(machine("core:4 pu:1", 4), 9, 0)), "9 workers on 4 CPUs, not pinned");
  EXPECT_EQ(crowdText(placeWorkers(machine("core:4 pu:1", 4), 4, 0)), "");
  EXPECT_TRUE(crowdText(placeWorkers(machine("core:4 pu:1", 4), 5, 0))
                  .starts_with("--threads 5 is more than the 4 CPUs that this process may use: "));
  EXPECT_EQ(crowdText(placeWorkers(machine("core:4 pu:1", 4), 0, 2)), "");
  EXPECT_TRUE(crowdText(placeWorkers(machine("core:4 pu:1", 4), 3, 2))
                  .starts_with("--threads 3 is more than the 2 CPUs of the cgroup's quota: "));
}

TEST(CpuTopology, CpuMaxOfTheCgroup) {
  EXPECT_EQ(parseCpuMax("max 100000"), 0);
  EXPECT_EQ(parseCpuMax("100000 100000"), 1);
  EXPECT_EQ(parseCpuMax("150000 100000"), 2);
  EXPECT_EQ(parseCpuMax("junk"), 0);
  EXPECT_EQ(parseCpuMax("-1 100000"), 0);
  EXPECT_EQ(parseCpuMax("100 0"), 0);
  EXPECT_EQ(parseCpuMax("-1 "), 0);
  EXPECT_EQ(parseCpuMax(" "), 0);
}

TEST(CpuTopology, AThreadAndItsOwnKeepOffTakenCpus) {
  const std::vector<int> all = allowedCpus();
  std::thread([&] {
    EXPECT_FALSE(keepOffCpus(all)) << "no other one is left";
    EXPECT_EQ(allowedCpus().size(), all.size());
    if (all.size() < 2) return;
    EXPECT_TRUE(keepOffCpus(std::span(all).first(1)));
    std::thread([&] {
      const auto left = allowedCpus();
      EXPECT_EQ(left.size(), all.size() - 1);
      EXPECT_EQ(left.front(), all[1]);
    }).join();
  }).join();
  EXPECT_EQ(allowedCpus().size(), all.size()) << "others are free";
}

TEST(CpuTopology, ThisMachineHasACpu) {
  EXPECT_FALSE(allowedCpus().empty());
  const Placement here = placeHere(0);
  ASSERT_FALSE(here.workers.empty());
  EXPECT_LE(here.cores, here.cpus);
  EXPECT_EQ(here.cpus, static_cast<int>(allowedCpus().size()));
  EXPECT_GE(cgroupCpuLimit(), 0);
  EXPECT_GT(lastLevelCacheBytes(), 64u << 10);
  if (!severalMemoryNodes()) EXPECT_TRUE(here.sharedNodes().empty());
}

}  // namespace
}  // namespace llmc::rt
