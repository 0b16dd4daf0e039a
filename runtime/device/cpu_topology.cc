// Reads sched_getaffinity, /sys/devices/system/cpu and the cgroup files.
#include "runtime/device/cpu_topology.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>

namespace llmc::rt {
namespace {

std::string readLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

int readInt(const std::string& path, int fallback) {
  const std::string line = readLine(path);
  int value = fallback;
  std::from_chars(line.data(), line.data() + line.size(), value);
  return value;
}

}  // namespace

std::vector<LogicalCpu> allowedCpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<LogicalCpu> cpus;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
    for (int id = 0; id < CPU_SETSIZE; ++id) {
      if (!CPU_ISSET(id, &mask)) continue;
      const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(id) + "/topology/";
      // Without topology files each logical CPU counts as a core of its own.
      cpus.push_back({id, readInt(folder + "physical_package_id", 0), readInt(folder + "core_id", id)});
    }
  }
  if (cpus.empty()) cpus.push_back({0, 0, 0});
  return cpus;
}

int parseCpuMax(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::string quotaText;
  double period = 0;
  if (!(stream >> quotaText >> period) || quotaText == "max" || period <= 0) return 0;
  double quota = 0;
  const auto [end, error] = std::from_chars(quotaText.data(), quotaText.data() + quotaText.size(), quota);
  if (error != std::errc{} || quota <= 0) return 0;
  return static_cast<int>(std::min(65536.0, (quota + period - 1) / period));
}

int cgroupCpuLimit() {
  // Inside a container the process' own group is the root of the mounted hierarchy.
  if (const std::string v2 = readLine("/sys/fs/cgroup/cpu.max"); !v2.empty()) return parseCpuMax(v2);
  const std::string quota = readLine("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const std::string period = readLine("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota.empty() || period.empty() || quota[0] == '-') return 0;
  return parseCpuMax(quota + " " + period);
}

std::vector<int> placeWorkers(std::span<const LogicalCpu> cpus, int workers, int quota) {
  std::vector<int> first, rest;
  std::set<std::pair<int, int>> seen;
  for (const LogicalCpu& cpu : cpus) (seen.insert({cpu.package, cpu.core}).second ? first : rest).push_back(cpu.id);
  if (workers <= 0) {
    workers = static_cast<int>(first.size());
    if (quota > 0) workers = std::min(workers, quota);
  }
  first.insert(first.end(), rest.begin(), rest.end());
  std::vector<int> placed;
  for (int i = 0; i < workers; ++i) placed.push_back(first[static_cast<size_t>(i) % first.size()]);
  return placed;
}

bool keepOffCpus(std::span<const int> taken) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (const LogicalCpu& cpu : allowedCpus())
    if (std::find(taken.begin(), taken.end(), cpu.id) == taken.end()) CPU_SET(cpu.id, &mask);
  // A refusal only costs speed.
  return CPU_COUNT(&mask) > 0 && sched_setaffinity(0, sizeof mask, &mask) == 0;
}

uint64_t lastLevelCacheBytes() {
  uint64_t best = 0;
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const std::string size = readLine(folder + "size");
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), value);
    if (error != std::errc{} || readLine(folder + "type") == "Instruction") continue;
    const bool mega = end != size.data() + size.size() && *end == 'M';
    best = std::max(best, value << (mega ? 20 : 10));
  }
  return best ? best : 32ull << 20;
}

}  // namespace llmc::rt
