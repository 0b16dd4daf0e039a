// Boards read these for memory, for restarts and for descriptors that leak.
#include "runtime/server/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace llmc::rt::server {
namespace {

void add(std::string& out, const char* name, const char* type, const char* help, double value) {
  char text[32];
  out += std::string("# HELP ") + name + ' ' + help + "\n# TYPE " + name + ' ' + type + '\n' + name + ' ';
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr) += '\n';
}

/// Unix time of the system's start; 0 when it is not told.
double bootTime() {
  std::ifstream file("/proc/stat");
  double value = 0;
  for (std::string word; file >> word;)
    if (word == "btime" && file >> value) return value;
  return 0;
}

/// Field of /proc/self/stat by its number in proc(5): 14 is utime.
struct ProcessStat {
  double field[25] = {};
  bool read() {
    std::ifstream file("/proc/self/stat");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    // The name, field 2, may hold spaces and brackets; the last bracket ends it.
    const size_t end = text.rfind(") ");
    if (end == std::string::npos) return false;
    std::istringstream rest(text.substr(end + 4));  // field 3 is a letter
    for (int i = 4; i <= 24; ++i)
      if (!(rest >> field[i])) return false;
    return true;
  }
};

}  // namespace

std::string processMetrics() {
  std::string out;
  ProcessStat stat;
  if (stat.read()) {
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    add(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
        (stat.field[14] + stat.field[15]) / ticks);
    add(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", stat.field[24] * page);
    add(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", stat.field[23]);
    if (const double boot = bootTime(); boot > 0)
      add(out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
          boot + stat.field[22] / ticks);
  }
  std::error_code error;
  const std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
  if (!error)
    add(out, "process_open_fds", "gauge", "Number of open file descriptors.",
        static_cast<double>(std::distance(descriptors, {})) - 1);  // the one that reads them
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    add(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
        static_cast<double>(limit.rlim_cur));
  return out;
}

}  // namespace llmc::rt::server
