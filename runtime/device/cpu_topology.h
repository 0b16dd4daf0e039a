// Which CPUs this process may use: affinity mask, cgroup quota, and one hardware thread for each physical core.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace llmc::rt {

/// One logical CPU of the affinity mask and the physical core that it is a thread of.
struct LogicalCpu {
  int id = 0;       ///< number the kernel knows it by
  int package = 0;  ///< socket
  int core = 0;     ///< core id in the socket
};

/// CPUs of this thread's affinity mask, ascending; never empty.
std::vector<LogicalCpu> allowedCpus();

/// CPUs that the cgroup's CPU quota pays for, rounded up; 0 when there is no quota.
int cgroupCpuLimit();

/// CPUs from text of cgroup v2's cpu.max ("150000 100000" -> 2, "max 100000" -> 0). Pure.
int parseCpuMax(std::string_view text);

/// CPU ids for `workers` pinned workers: first one thread of each core, then the second threads. `workers` 0 means one
/// a physical core, at most `quota` (0: no quota). More workers than CPUs: ids repeat. Pure.
std::vector<int> placeWorkers(std::span<const LogicalCpu> cpus, int workers, int quota);

/// Keeps this thread, and those that it starts from here on, off the CPUs `taken` by others; if it may run on no other
/// ones, nothing changes. True: it is kept off.
bool keepOffCpus(std::span<const int> taken);

/// Bytes of the largest data cache (the last level) of CPU 0; 32 MiB when the kernel does not say.
uint64_t lastLevelCacheBytes();

}  // namespace llmc::rt
