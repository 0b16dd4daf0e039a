// Where the limits are that the process's cgroups put on it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace llmc::rt {

/// Calls `visit` with the folder ("/sys/fs/cgroup/a/b/") of the cgroup that this process is in and with those around
/// it, outermost last: of version 2, and of version 1 where `controller` ("memory", "cpu") has a hierarchy of its own.
/// `root`: before the paths of /proc and /sys, for tests. Inside a container only what is mounted there is seen.
void eachCgroup(const std::string& root, std::string_view controller,
                const std::function<void(const std::string& folder, bool version2)>& visit);

}  // namespace llmc::rt
