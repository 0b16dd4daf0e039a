// Folders of both versions, and the smallest CPU quota in them.
#include "runtime/device/cgroup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "runtime/device/cpu_topology.h"

namespace llmc::rt {
namespace {

/// A file system of these files while it lives.
class Root {
 public:
  explicit Root(const std::map<std::string, std::string>& files) {
    for (const auto& [path, text] : files) {
      const std::filesystem::path file = path_ + path;
      std::filesystem::create_directories(file.parent_path());
      std::ofstream(file) << text;
    }
  }
  ~Root() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "cgroup-" + std::to_string(::getpid());
};

std::vector<std::string> foldersOf(const std::string& groups, std::string_view controller) {
  const Root root({{"/proc/self/cgroup", groups}});
  std::vector<std::string> folders;
  eachCgroup(root.path(), controller, [&](const std::string& folder, bool version2) {
    folders.push_back(folder.substr(root.path().size() + 14) + (version2 ? " 2" : " 1"));  // after /sys/fs/cgroup
  });
  return folders;
}

int limitOf(const std::map<std::string, std::string>& files) { return cgroupCpuLimit(Root(files).path()); }

TEST(Cgroup, TheInnermostFirst) {
  EXPECT_EQ(foldersOf("0::/a/b\n", "cpu"), (std::vector<std::string>{"/a/b/ 2", "/a/ 2", "/ 2"}));
  EXPECT_EQ(foldersOf("0::/\n", "cpu"), (std::vector<std::string>{"/ 2"}));
  EXPECT_EQ(foldersOf("9:cpu,cpuacct:/x\n3:memory:/y\n0::/\n", "cpu"),
            (std::vector<std::string>{"/cpu/x/ 1", "/cpu/ 1", "/ 2"}));
  EXPECT_EQ(foldersOf("9:cpuset:/x\n", "cpu"), std::vector<std::string>()) << "another controller";
  EXPECT_TRUE(foldersOf("", "cpu").empty());
  EXPECT_TRUE(foldersOf("junk\n::\n7\n", "memory").size() <= 1);
}

TEST(Cgroup, TheSmallestQuotaCounts) {
  EXPECT_EQ(limitOf({{"/proc/self/cgroup", "0::/slice/unit\n"},
                     {"/sys/fs/cgroup/slice/unit/cpu.max", "max 100000\n"},
                     {"/sys/fs/cgroup/slice/cpu.max", "250000 100000\n"}}),
            3);
  EXPECT_EQ(limitOf({{"/proc/self/cgroup", "0::/slice/unit\n"},
                     {"/sys/fs/cgroup/slice/unit/cpu.max", "100000 100000\n"},
                     {"/sys/fs/cgroup/slice/cpu.max", "250000 100000\n"}}),
            1);
  EXPECT_EQ(limitOf({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "150000 100000\n"}}), 2);
  EXPECT_EQ(limitOf({{"/proc/self/cgroup", "0::/not/mounted/here\n"}, {"/sys/fs/cgroup/cpu.max", "200000 100000\n"}}),
            2)
      << "in a container";
  EXPECT_EQ(limitOf({{"/proc/self/cgroup", "4:cpu,cpuacct:/a\n"},
                     {"/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n"},
                     {"/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"},
                     {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                     {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}),
            3);
  EXPECT_EQ(limitOf({{"/proc/self/cgroup", "0::/\n"}}), 0);
  EXPECT_EQ(limitOf({}), 0);
}

}  // namespace
}  // namespace llmc::rt
