// The scheduler that the flags ask for: the same for serving and for its simulation.
#pragma once

#include "runtime/main/flags.h"
#include "runtime/main/session.h"
#include "runtime/sched/scheduler_config.h"

namespace llmc::rt {

/// Errors CLI_FLAG (64): a policy or a way to preempt that does not exist, swap space for no page; RT_SWAP_SPACE (69):
/// more than the machine has. `hostPages` follows from --swap-space.
Result<SchedulerConfig> schedulerConfigOf(const Flags& flags, Session& session);

}  // namespace llmc::rt
