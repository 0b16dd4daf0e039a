// Placement of workers on invented machines, and the cgroup quota format.
#include "runtime/device/cpu_topology.h"

#include <gtest/gtest.h>

#include <thread>

namespace llmc::rt {
namespace {

// Two sockets of two cores with two threads each, numbered as Linux does: second threads come last.
const std::vector<LogicalCpu> kTwoSockets = {{0, 0, 0}, {1, 0, 1}, {2, 1, 0}, {3, 1, 1},
                                             {4, 0, 0}, {5, 0, 1}, {6, 1, 0}, {7, 1, 1}};

TEST(CpuTopology, OneWorkerAPhysicalCore) {
  EXPECT_EQ(placeWorkers(kTwoSockets, 0, 0), (std::vector<int>{0, 1, 2, 3}));
}

TEST(CpuTopology, QuotaLimitsTheDefaultOnly) {
  EXPECT_EQ(placeWorkers(kTwoSockets, 0, 2).size(), 2u);
  EXPECT_EQ(placeWorkers(kTwoSockets, 3, 2).size(), 3u);
}

TEST(CpuTopology, SecondThreadsComeAfterAllCores) {
  EXPECT_EQ(placeWorkers(kTwoSockets, 6, 0), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(placeWorkers(kTwoSockets, 9, 0).back(), 0);
}

TEST(CpuTopology, RespectsTheAffinityMask) {
  const std::vector<LogicalCpu> masked = {{5, 0, 1}, {7, 1, 1}};
  EXPECT_EQ(placeWorkers(masked, 0, 0), (std::vector<int>{5, 7}));
}

TEST(CpuTopology, CpuMaxOfTheCgroup) {
  EXPECT_EQ(parseCpuMax("max 100000"), 0);
  EXPECT_EQ(parseCpuMax("100000 100000"), 1);
  EXPECT_EQ(parseCpuMax("150000 100000"), 2);
  EXPECT_EQ(parseCpuMax("junk"), 0);
  EXPECT_EQ(parseCpuMax("-1 100000"), 0);
  EXPECT_EQ(parseCpuMax("100 0"), 0);
}

TEST(CpuTopology, AThreadAndItsOwnKeepOffTakenCpus) {
  std::vector<int> all;
  for (const LogicalCpu& cpu : allowedCpus()) all.push_back(cpu.id);
  std::thread([&] {
    EXPECT_FALSE(keepOffCpus(all)) << "no other one is left";
    EXPECT_EQ(allowedCpus().size(), all.size());
    if (all.size() < 2) return;
    EXPECT_TRUE(keepOffCpus(std::span(all).first(1)));
    std::thread([&] {
      const auto left = allowedCpus();
      EXPECT_EQ(left.size(), all.size() - 1);
      EXPECT_EQ(left.front().id, all[1]);
    }).join();
  }).join();
  EXPECT_EQ(allowedCpus().size(), all.size()) << "others are free";
}

TEST(CpuTopology, ThisMachineHasACpu) {
  EXPECT_FALSE(allowedCpus().empty());
  EXPECT_GE(cgroupCpuLimit(), 0);
  EXPECT_GT(lastLevelCacheBytes(), 64u << 10);
}

}  // namespace
}  // namespace llmc::rt
