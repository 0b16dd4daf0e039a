// Which CPUs this process may use, and which of them its workers get: affinity mask, cgroup quota, physical cores.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/device/machine_topology.h"

namespace llmc::rt {

/// Numbers of the CPUs in this thread's affinity mask, ascending; never empty.
std::vector<int> allowedCpus();

/// CPUs that the smallest CPU quota of the process's cgroups pays for, rounded up; 0 when there is none. `root`: before
/// the paths of /proc and /sys, for tests.
int cgroupCpuLimit(const std::string& root = {});

/// CPUs from text of cgroup v2's cpu.max ("150000 100000" -> 2, "max 100000" -> 0). Pure.
int parseCpuMax(std::string_view text);

/// Where workers run, and what they were chosen from.
struct Placement {
  std::vector<LogicalCpu> workers;  ///< the CPU of each; with more workers than CPUs they repeat
  int cpus = 0;                     ///< that this process may use
  int cores = 0;                    ///< physical ones among them
  int quota = 0;                    ///< CPUs that the cgroup pays for; 0: no quota
  /// First threads of cores that have no worker, alike in kind to the slowest one's and near the same nodes.
  std::vector<int> spare = {};

  bool ownCpus() const { return workers.size() <= static_cast<size_t>(cpus); }  ///< each worker has one
  std::vector<int> cpuIds() const;                                              ///< of each worker
  /// Memory nodes of the workers, ascending, that what they share is to be spread over; empty when all have the same
  /// one: there it is near anyway.
  std::vector<int> sharedNodes() const;
};

/// One thread of each physical core first, fast cores before slow ones, then the other threads in the same order; cores
/// alike keep the order of `cpus`. `workers` 0: one a physical core, at most `quota` (0: no quota). Pure.
Placement placeWorkers(std::span<const LogicalCpu> cpus, int workers, int quota);

/// On this machine: its topology, this thread's affinity mask, the cgroup's quota.
Placement placeHere(int workers);

/// "4 workers on CPUs 0-3, one a physical core", with what is out of the ordinary after it: `nodes` that memory is
/// spread over. Pure.
std::string placementText(const Placement& placement, std::span<const int> nodes = {});

/// What more workers than CPUs, or than the cgroup's quota pays for, come to; empty: there are no more. Pure.
std::string crowdText(const Placement& placement);

/// Keeps this thread, and those that it starts from here on, off the CPUs `taken` by others; if it may run on no other
/// ones, nothing changes. True: it is kept off.
bool keepOffCpus(std::span<const int> taken);

/// Whether the kernel has more than one memory node online. Reads one file: what a machine with one can skip.
bool severalMemoryNodes();

/// Bytes of the largest data cache (the last level) of CPU 0; 32 MiB when the kernel does not say.
uint64_t lastLevelCacheBytes();

}  // namespace llmc::rt
