// /proc/self/task.
#include "runtime/device/thread_list.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace llmc::rt {
namespace {

std::string contentOf(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::string threadList() {
  std::string out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    // "1234 (name) S ..."; the name may hold anything.
    const std::string stat = contentOf(entry.path() / "stat");
    const size_t open = stat.find('('), close = stat.rfind(')');
    char state = 0;
    unsigned long user = 0, system = 0;
    if (open == std::string::npos || close == std::string::npos ||
        std::sscanf(stat.c_str() + close + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user,
                    &system) != 3)
      continue;  // it has ended meanwhile
    const double seconds = static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
    std::string place = contentOf(entry.path() / "wchan");
    if (place == "0") place.clear();
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, " %c, %.2f s of CPU", state, seconds);
    out += "thread " + entry.path().filename().string() + " " + stat.substr(open + 1, close - open - 1) + numbers +
           (place.empty() ? "" : ", " + place) + "\n";
  }
  return out;
}

}  // namespace llmc::rt
