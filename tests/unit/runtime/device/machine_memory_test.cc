// What the kernel says of memory, in folders that are made like /proc and /sys.
#include "runtime/device/machine_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace llmc::rt {
namespace {

constexpr const char* kMemory = "MemTotal:       8000 kB\nMemFree:  10 kB\nMemAvailable:   6000 kB\n";

MachineMemory with(const std::map<std::string, std::string>& files) {
  const std::string root = testing::TempDir() + "memory-" + std::to_string(::getpid());
  for (const auto& [path, text] : files) {
    const std::filesystem::path file = root + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  const MachineMemory memory = machineMemory(root);
  std::filesystem::remove_all(root);
  return memory;
}

TEST(MachineMemory, OfTheKernel) {
  const MachineMemory memory = with({{"/proc/meminfo", kMemory}, {"/proc/self/cgroup", "0::/\n"}});
  EXPECT_EQ(memory.total, 8000u << 10);
  EXPECT_EQ(memory.available, 6000u << 10);
  EXPECT_EQ(machineMemory("/nowhere").total, 1u << 30);
  EXPECT_GT(machineMemory().available, 1u << 20);
  EXPECT_GE(machineMemory().total, machineMemory().available);
}

TEST(MachineMemory, TheSmallestLimitOfTheCgroupsAroundCounts) {
  const MachineMemory memory = with({{"/proc/meminfo", kMemory},
                                     {"/proc/self/cgroup", "0::/pod/box\n"},
                                     {"/sys/fs/cgroup/pod/box/memory.max", "max\n"},
                                     {"/sys/fs/cgroup/pod/box/memory.current", "100\n"},
                                     {"/sys/fs/cgroup/pod/memory.max", "3000000\n"},
                                     {"/sys/fs/cgroup/pod/memory.current", "1000000\n"},
                                     {"/sys/fs/cgroup/memory.max", "4000000\n"},
                                     {"/sys/fs/cgroup/memory.current", "3900000\n"}});
  EXPECT_EQ(memory.total, 3'000'000u);
  EXPECT_EQ(memory.available, 100'000u);
}

TEST(MachineMemory, VersionOneOfCgroups) {
  const MachineMemory memory = with({{"/proc/meminfo", kMemory},
                                     {"/proc/self/cgroup", "4:cpu,cpuacct:/a\n3:hugetlb,memory:/a\n"},
                                     {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "5000000\n"},
                                     {"/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "6000000\n"},
                                     {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}});
  EXPECT_EQ(memory.total, 5'000'000u);
  EXPECT_EQ(memory.available, 0u) << "used more than the limit, which has just been lowered";
}

}  // namespace
}  // namespace llmc::rt
