// sched_setattr, which has no function in the C library.
#include "runtime/device/time_slice.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace llmc::rt {
namespace {

/// The kernel's struct sched_attr, version 0.
struct Attributes {
  uint32_t size = sizeof(Attributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
};
static_assert(sizeof(Attributes) == 48);

}  // namespace

uint64_t setTimeSlice(uint64_t nanoseconds) {
  Attributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return 0;
  const bool normal = attributes.policy == SCHED_OTHER || attributes.policy == SCHED_BATCH;
  if (!normal) return 0;
  const uint64_t before = attributes.runtime;
  attributes.size = sizeof attributes;
  attributes.runtime = nanoseconds;
  // A refusal only costs speed beside other processes.
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
  return before;
}

}  // namespace llmc::rt
