// open() gives the lowest free number, so descriptors are taken in order.
#include "runtime/base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

namespace llmc::rt {

void secureStandardStreams() {
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDONLY);  // not O_CLOEXEC: they stay what they are
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace llmc::rt
