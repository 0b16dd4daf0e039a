// How much memory this process may use, by the kernel and by the cgroups that it is in.
#pragma once

#include <cstdint>
#include <string>

namespace llmc::rt {

struct MachineMemory {
  uint64_t total = 0;      ///< bytes: the machine's, or the smallest limit of a cgroup
  uint64_t available = 0;  ///< bytes that can be taken now without swapping
};

/// `root`: before the paths of /proc and /sys, for tests. Where the kernel says nothing: 1 GiB.
MachineMemory machineMemory(const std::string& root = {});

inline uint64_t availableMemoryBytes() { return machineMemory().available; }

}  // namespace llmc::rt
