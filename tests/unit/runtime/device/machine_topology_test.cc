// What is read of invented, recorded and refused machines, and of this one; pages that the kernel is asked to spread.
#include "runtime/device/machine_topology.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "runtime/device/cpu_topology.h"
#include "runtime/device/memory.h"

namespace llmc::rt {
namespace {

/// Two cores of two threads, then two slower ones of one thread.
constexpr const char* kHybrid = R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
  <object type="Machine" os_index="0" cpuset="0x3f" complete_cpuset="0x3f" allowed_cpuset="0x3f" nodeset="0x1" complete_nodeset="0x1" allowed_nodeset="0x1" gp_index="1">
    <object type="NUMANode" os_index="0" cpuset="0x3f" complete_cpuset="0x3f" nodeset="0x1" complete_nodeset="0x1" gp_index="14" local_memory="1073741824"/>
    <object type="Core" os_index="0" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1" complete_nodeset="0x1" gp_index="4">
      <object type="PU" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1" gp_index="2"/>
      <object type="PU" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x1" complete_nodeset="0x1" gp_index="3"/>
    </object>
    <object type="Core" os_index="1" cpuset="0xc" complete_cpuset="0xc" nodeset="0x1" complete_nodeset="0x1" gp_index="7">
      <object type="PU" os_index="2" cpuset="0x4" complete_cpuset="0x4" nodeset="0x1" complete_nodeset="0x1" gp_index="5"/>
      <object type="PU" os_index="3" cpuset="0x8" complete_cpuset="0x8" nodeset="0x1" complete_nodeset="0x1" gp_index="6"/>
    </object>
    <object type="Core" os_index="2" cpuset="0x10" complete_cpuset="0x10" nodeset="0x1" complete_nodeset="0x1" gp_index="10">
      <object type="PU" os_index="4" cpuset="0x10" complete_cpuset="0x10" nodeset="0x1" complete_nodeset="0x1" gp_index="8"/>
    </object>
    <object type="Core" os_index="3" cpuset="0x20" complete_cpuset="0x20" nodeset="0x1" complete_nodeset="0x1" gp_index="13">
      <object type="PU" os_index="5" cpuset="0x20" complete_cpuset="0x20" nodeset="0x1" complete_nodeset="0x1" gp_index="11"/>
    </object>
  </object>
  <cpukind cpuset="0x30" forced_efficiency="0"/>
  <cpukind cpuset="0xf" forced_efficiency="1"/>
</topology>
)";

using Cpus = std::vector<LogicalCpu>;

TEST(MachineTopology, CoresThreadsAndNodesOfAnInventedMachine) {
  auto topology = MachineTopology::fromSynthetic("node:2 core:1 pu:2");
  ASSERT_TRUE(topology) << topology.status().toString();
  EXPECT_EQ(topology->cpusOf(std::vector<int>{0, 1, 2, 3}), (Cpus{{0, 0, 0}, {1, 0, 0}, {2, 1, 1}, {3, 1, 1}}));
  EXPECT_EQ(topology->cpusOf(std::vector<int>{3}), (Cpus{{3, 1, 1}}));
  EXPECT_TRUE(topology->cpusOf({}).empty());
}

TEST(MachineTopology, ACpuThatItDoesNotKnowIsACoreOfItsOwn) {
  const auto topology = MachineTopology::fromSynthetic("core:2 pu:1").take();
  EXPECT_EQ(topology.cpusOf(std::vector<int>{1, 7, 8}), (Cpus{{1, 1, 0}, {7, 9, 0}, {8, 10, 0}}));
}

TEST(MachineTopology, KindsOfCoresOfARecordedOne) {
  auto topology = MachineTopology::fromXml(kHybrid);
  ASSERT_TRUE(topology) << topology.status().toString();
  const Cpus cpus = topology->cpusOf(std::vector<int>{0, 1, 2, 3, 4, 5});
  EXPECT_EQ(cpus, (Cpus{{0, 0, 0, 1}, {1, 0, 0, 1}, {2, 1, 0, 1}, {3, 1, 0, 1}, {4, 2, 0, 0}, {5, 3, 0, 0}}));
  EXPECT_EQ(placeWorkers(cpus, 0, 0).cpuIds(), (std::vector<int>{0, 2, 4, 5}));
  // The same machine with the slow cores counted first.
  std::string turned = kHybrid;
  turned.replace(turned.find("0x30\" forced_efficiency=\"0"), 26, "0x30\" forced_efficiency=\"2");
  const auto other = MachineTopology::fromXml(turned).take();
  EXPECT_EQ(placeWorkers(other.cpusOf(std::vector<int>{0, 1, 2, 3, 4, 5}), 0, 0).cpuIds(),
            (std::vector<int>{4, 5, 0, 2}));
}

TEST(MachineTopology, RefusesWhatIsNoMachine) {
  for (const char* text : {"", "core:", "cheese:4", "core:0 pu:1"}) {
    auto topology = MachineTopology::fromSynthetic(text);
    ASSERT_FALSE(topology) << text;
    EXPECT_EQ(topology.status().code(), "RT_TOPOLOGY");
    EXPECT_EQ(exitStatus(topology.status().kind()), 65);
  }
  for (const char* text : {"", "no xml", "<topology version=\"2.0\"></topology>"})
    EXPECT_FALSE(MachineTopology::fromXml(text)) << text;
}

TEST(MachineTopology, ThisMachine) {
  const MachineTopology& topology = machineTopology();
  ASSERT_TRUE(topology.known());
  EXPECT_EQ(&topology, &machineTopology()) << "found once";
  const std::vector<int> allowed = allowedCpus();
  const Cpus cpus = topology.cpusOf(allowed);
  ASSERT_EQ(cpus.size(), allowed.size());
  for (const int id : allowed)
    EXPECT_EQ(std::count_if(cpus.begin(), cpus.end(), [&](const LogicalCpu& cpu) { return cpu.id == id; }), 1) << id;
}

TEST(MachineTopology, AnotherMachineIsNotAskedForMemory) {
  const auto topology = MachineTopology::fromSynthetic("node:2 core:2 pu:1").take();
  auto arena = Arena::map(kHugePageBytes, "a test").take();
  EXPECT_FALSE(topology.spread(arena.data(), arena.size(), std::vector<int>{0, 1}));
  EXPECT_FALSE(topology.spreadThread(std::vector<int>{0, 1}));
}

/// The real calls; with one node there is no other place for a page to be.
TEST(MachineTopology, SpreadsMemoryOfThisMachine) {
  const MachineTopology& topology = machineTopology();
  std::vector<int> nodes;
  for (const LogicalCpu& cpu : topology.cpusOf(allowedCpus()))
    if (std::find(nodes.begin(), nodes.end(), cpu.node) == nodes.end()) nodes.push_back(cpu.node);
  auto arena = Arena::map(4 * kHugePageBytes, "a test").take();
  if (!topology.spread(arena.data(), arena.size(), nodes)) GTEST_SKIP() << "the kernel or a sandbox refuses mbind";
  EXPECT_EQ(topology.spreadNodes(arena.data(), arena.size()), nodes);
  populate(arena.data(), arena.size());
  EXPECT_EQ(arena.data()[17], 0);
  std::thread([&] {
    EXPECT_TRUE(topology.threadSpreads().empty());
    ASSERT_TRUE(topology.spreadThread(nodes));
    EXPECT_EQ(topology.threadSpreads(), nodes);
    std::thread([&] { EXPECT_EQ(topology.threadSpreads(), nodes) << "threads have what their starter has"; }).join();
    EXPECT_TRUE(topology.spreadThread({}));
    EXPECT_TRUE(topology.threadSpreads().empty());
  }).join();
}

TEST(MachineTopology, ANodeThatIsNotThereIsRefused) {
  auto arena = Arena::map(kHugePageBytes, "a test").take();
  EXPECT_FALSE(machineTopology().spread(arena.data(), arena.size(), std::vector<int>{1023}));
}

TEST(MachineTopology, AScopeGivesTheThreadItsOldWayBack) {
  const MachineTopology& topology = machineTopology();
  std::thread([&] {
    if (!topology.spreadThread(std::vector<int>{placeHere(1).workers[0].node})) return;  // told by the test above
    const auto own = topology.threadSpreads();
    {
      const SpreadScope scope(topology, std::vector<int>{0, 1});
    }
    EXPECT_EQ(topology.threadSpreads(), own) << "what the user asked for (numactl) stays";
    EXPECT_TRUE(topology.spreadThread({}));
    {
      const SpreadScope scope(topology, {});
    }
    EXPECT_TRUE(topology.threadSpreads().empty());
  }).join();
}

}  // namespace
}  // namespace llmc::rt
