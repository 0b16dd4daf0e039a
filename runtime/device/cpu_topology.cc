// Reads sched_getaffinity and the cgroup files; what the CPUs are is hwloc's to say.
#include "runtime/device/cpu_topology.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "runtime/base/counted.h"
#include "runtime/device/cgroup.h"

namespace llmc::rt {
namespace {

std::string readLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// "0-3,8" of ascending numbers.
std::string ranges(std::vector<int> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(numbers[i]);
    if (last > i) text += "-" + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace

std::vector<int> allowedCpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0)
    for (int id = 0; id < CPU_SETSIZE; ++id)
      if (CPU_ISSET(id, &mask)) cpus.push_back(id);
  if (cpus.empty()) cpus.push_back(0);
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

int cgroupCpuLimit(const std::string& root) {
  int least = 0;
  eachCgroup(root, "cpu", [&](const std::string& folder, bool version2) {
    const std::string text = version2
                                 ? readLine(folder + "cpu.max")
                                 : readLine(folder + "cpu.cfs_quota_us") + " " + readLine(folder + "cpu.cfs_period_us");
    if (const int limit = parseCpuMax(text); limit > 0 && (least == 0 || limit < least)) least = limit;
  });
  return least;
}

std::vector<int> Placement::cpuIds() const {
  std::vector<int> ids;
  for (const LogicalCpu& cpu : workers) ids.push_back(cpu.id);
  return ids;
}

std::vector<int> Placement::sharedNodes() const {
  std::set<int> nodes;
  for (const LogicalCpu& cpu : workers) nodes.insert(cpu.node);
  return nodes.size() < 2 ? std::vector<int>() : std::vector<int>(nodes.begin(), nodes.end());
}

Placement placeWorkers(std::span<const LogicalCpu> cpus, int workers, int quota) {
  std::map<std::pair<bool, int>, std::vector<LogicalCpu>> groups;  // by whether the core has one before, slowness
  std::set<int> cores;
  for (const LogicalCpu& cpu : cpus) groups[{!cores.insert(cpu.core).second, -cpu.kind}].push_back(cpu);
  std::vector<LogicalCpu> order;
  for (const auto& [rank, group] : groups) order.insert(order.end(), group.begin(), group.end());
  Placement placement{{}, static_cast<int>(cpus.size()), static_cast<int>(cores.size()), quota};
  if (workers <= 0) workers = quota > 0 ? std::min(placement.cores, quota) : placement.cores;
  std::set<int> nodes;
  for (int i = 0; i < workers; ++i) {
    placement.workers.push_back(order[static_cast<size_t>(i) % order.size()]);
    nodes.insert(placement.workers.back().node);
  }
  for (int i = workers; i < placement.cores; ++i)
    if (const LogicalCpu& cpu = order[static_cast<size_t>(i)];
        cpu.kind == placement.workers.back().kind && nodes.count(cpu.node))
      placement.spare.push_back(cpu.id);
  return placement;
}

Placement placeHere(int workers) {
  return placeWorkers(machineTopology().cpusOf(allowedCpus()), workers, cgroupCpuLimit());
}

std::string placementText(const Placement& placement, std::span<const int> nodes) {
  const size_t workers = placement.workers.size(), cores = static_cast<size_t>(placement.cores);
  std::string text = counted(workers, "worker", "workers");
  if (!placement.ownCpus())
    return text + " on " + counted(static_cast<size_t>(placement.cpus), "CPU", "CPUs") + ", not pinned";
  text += std::string(" on CPU") + (workers == 1 ? " " : "s ") + ranges(placement.cpuIds());
  text += workers > cores ? ", " + std::to_string(workers - cores) + " beside another on its core"
                          : ", one a physical core";
  if (workers < cores) text += " of " + std::to_string(cores);
  if (placement.quota > 0) text += ", quota of " + counted(static_cast<size_t>(placement.quota), "CPU", "CPUs");
  std::map<int, size_t> kinds;
  for (const LogicalCpu& cpu : placement.workers) ++kinds[cpu.kind];
  if (kinds.size() > 1) text += ", " + std::to_string(kinds.rbegin()->second) + " on the fastest cores";
  if (!nodes.empty()) text += ", memory spread over nodes " + ranges({nodes.begin(), nodes.end()});
  return text;
}

std::string crowdText(const Placement& placement) {
  const auto asked = [&](int cpus) {
    return "--threads " + std::to_string(placement.workers.size()) + " is more than the " +
           counted(static_cast<size_t>(cpus), "CPU", "CPUs");
  };
  if (!placement.ownCpus())
    return asked(placement.cpus) +
           " that this process may use: workers take turns on them and each phase of a step waits for the last one, "
           "which takes many times as long; --threads auto has one a core";
  if (placement.quota > 0 && placement.workers.size() > static_cast<size_t>(placement.quota))
    return asked(placement.quota) +
           " of the cgroup's quota: whenever it is used up the kernel stops all workers; --threads auto keeps to it";
  return {};
}

bool keepOffCpus(std::span<const int> taken) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (const int cpu : allowedCpus())
    if (std::find(taken.begin(), taken.end(), cpu) == taken.end()) CPU_SET(cpu, &mask);
  // A refusal only costs speed.
  return CPU_COUNT(&mask) > 0 && sched_setaffinity(0, sizeof mask, &mask) == 0;
}

bool severalMemoryNodes() {
  // "0", or a list such as "0-1".
  return readLine("/sys/devices/system/node/online").find_first_of("-,") != std::string::npos;
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
