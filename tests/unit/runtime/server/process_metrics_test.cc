// Numbers of the process against what the test itself does to it.
#include "runtime/server/process_metrics.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <vector>

namespace llmc::rt::server {
namespace {

double valueOf(const std::string& name) {
  const std::string text = processMetrics();
  const size_t at = text.find('\n' + name + ' ');
  return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
}

TEST(ProcessMetrics, CountsDescriptors) {
  const double before = valueOf("process_open_fds");
  std::vector<int> opened;
  for (int i = 0; i < 5; ++i) opened.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(valueOf("process_open_fds"), before + 5);
  for (const int fd : opened) ::close(fd);
  EXPECT_EQ(valueOf("process_open_fds"), before);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(valueOf("process_max_fds"), static_cast<double>(limit.rlim_cur));
}

TEST(ProcessMetrics, TimeAndMemoryAreOfThisProcess) {
  const double start = valueOf("process_start_time_seconds"), now = static_cast<double>(std::time(nullptr));
  EXPECT_GT(start, now - 3600);
  EXPECT_LE(start, now + 2);
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const double seconds = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  EXPECT_NEAR(valueOf("process_cpu_seconds_total"), seconds, 0.1);
  const double resident = valueOf("process_resident_memory_bytes");
  EXPECT_GT(resident, 1 << 20);
  EXPECT_LE(resident, static_cast<double>(used.ru_maxrss) * 1024 * 1.5 + (1 << 22));
  EXPECT_GT(valueOf("process_virtual_memory_bytes"), resident);
}

}  // namespace
}  // namespace llmc::rt::server
