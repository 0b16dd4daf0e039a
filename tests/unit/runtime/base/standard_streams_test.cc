// Closed standard descriptors are taken, open ones are left alone, and broken pipes are errors.
#include "runtime/base/standard_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace llmc::rt {
namespace {

/// Runs `body` in a child; true when it returns true and no signal ends it.
template <typename Body>
bool inChild(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = -1;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(StandardStreams, ClosedOnesAreTakenInTheDirectionThatFails) {
  EXPECT_TRUE(inChild([] {
    for (int fd = 0; fd <= 2; ++fd) ::close(fd);
    secureStandardStreams();
    char byte;
    const bool taken = ::open("/dev/null", O_RDONLY) > 2;
    return taken && ::read(0, &byte, 1) == 0 && ::write(1, "x", 1) < 0 && errno == EBADF && ::write(2, "x", 1) < 0;
  }));
}

TEST(StandardStreams, OpenOnesAreLeftAlone) {
  EXPECT_TRUE(inChild([] {
    int ends[2];
    if (::pipe(ends) != 0 || ::dup2(ends[1], 1) != 1) return false;
    secureStandardStreams();
    char byte = 0;
    return ::write(1, "x", 1) == 1 && ::read(ends[0], &byte, 1) == 1 && byte == 'x';
  }));
}

TEST(StandardStreams, APipeWithoutAReaderIsAnError) {
  EXPECT_TRUE(inChild([] {
    secureStandardStreams();
    int ends[2];
    if (::pipe(ends) != 0) return false;
    ::close(ends[0]);
    return ::write(ends[1], "x", 1) < 0 && errno == EPIPE;
  }));
}

}  // namespace
}  // namespace llmc::rt
