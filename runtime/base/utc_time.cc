// strftime has no milliseconds.
#include "runtime/base/utc_time.h"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace llmc::rt {

std::string utcTimeText(int64_t unixMilliseconds) {
  const std::time_t whole = unixMilliseconds / 1000;
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  char text[40];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(unixMilliseconds % 1000));
  return text;
}

int64_t unixMilliseconds() {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::system_clock;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace llmc::rt
