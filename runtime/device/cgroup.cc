// /proc/self/cgroup: "0::/path" of version 2, "9:cpu,cpuacct:/path" of version 1.
#include "runtime/device/cgroup.h"

#include <fstream>

namespace llmc::rt {
namespace {

/// Calls `visit` with `top`/a/b/, `top`/a/ and `top`/ for the path /a/b.
template <typename Visit>
void eachAncestor(const std::string& top, std::string path, Visit visit) {
  while (!path.empty() && path != "/") {
    visit(top + path + "/");
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
  visit(top + "/");
}

}  // namespace

void eachCgroup(const std::string& root, std::string_view controller,
                const std::function<void(const std::string& folder, bool version2)>& visit) {
  const std::string top = root + "/sys/fs/cgroup", wanted = "," + std::string(controller) + ",";
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty())
      eachAncestor(top, path, [&](const std::string& folder) { visit(folder, true); });
    else if (("," + controllers + ",").find(wanted) != std::string::npos)
      eachAncestor(top + "/" + std::string(controller), path, [&](const std::string& folder) { visit(folder, false); });
  }
}

}  // namespace llmc::rt
