// MemTotal and MemAvailable of /proc/meminfo, then the limits of the process's cgroup and of those around it.
#include "runtime/device/machine_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>

#include "runtime/device/cgroup.h"

namespace llmc::rt {
namespace {

/// First number after `key` in a file of "key value" lines; nothing when absent.
std::optional<uint64_t> readNumber(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const auto digit = line.find_first_of("0123456789", key.size());
    if (digit == std::string::npos) return std::nullopt;
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(line.data() + digit, line.data() + line.size(), value);
    if (error == std::errc{}) return value;
  }
  return std::nullopt;
}

/// A cgroup's limit ("max": none) counts when it is below the machine's memory; version 1 writes a huge number for
/// none.
void applyLimit(const std::string& folder, const char* limitName, const char* usedName, MachineMemory& memory) {
  const auto limit = readNumber(folder + limitName, "");
  if (!limit) return;
  memory.total = std::min(memory.total, *limit);
  if (const auto used = readNumber(folder + usedName, ""))
    memory.available = std::min(memory.available, *limit > *used ? *limit - *used : 0);
}

}  // namespace

MachineMemory machineMemory(const std::string& root) {
  constexpr uint64_t kUnknown = 1 << 20;  // KiB
  MachineMemory memory;
  memory.available = readNumber(root + "/proc/meminfo", "MemAvailable:").value_or(kUnknown) << 10;
  memory.total = std::max(readNumber(root + "/proc/meminfo", "MemTotal:").value_or(0) << 10, memory.available);
  eachCgroup(root, "memory", [&](const std::string& folder, bool version2) {
    version2 ? applyLimit(folder, "memory.max", "memory.current", memory)
             : applyLimit(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", memory);
  });
  return memory;
}

}  // namespace llmc::rt
