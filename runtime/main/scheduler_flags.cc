// Names to enumerators, bytes to pages.
#include "runtime/main/scheduler_flags.h"

#include <algorithm>

namespace llmc::rt {
namespace {

Status unknown(const char* flag, const char* names, const std::string& found) {
  return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                       std::string(flag) + " must be " + names + ", found '" + escaped(found, 40) + "'");
}

}  // namespace

Result<SchedulerConfig> schedulerConfigOf(const Flags& flags, Session& session) {
  SchedulerConfig config;
  config.limits = session.executor().limits();
  config.pages = session.kv().pages();
  config.maxQueue = flags.maxQueue;
  config.prefixCache = flags.prefixCache;
  config.deterministic = flags.deterministic;
  config.promptStretch = flags.promptStretch.value_or(2);
  // All that a step can decide is kept until the step is over: what is lost would be missing in the trace.
  if (!flags.trace.empty())
    config.traceEvents = std::max(config.traceEvents, 4 * (flags.maxSequences + flags.maxQueue));
  if (flags.policy == "priority")
    config.policy = Policy::kPriority;
  else if (flags.policy == "mlfq")
    config.policy = Policy::kMlfq;
  else if (flags.policy != "fcfs")
    return unknown("--policy", "fcfs, priority or mlfq", flags.policy);
  if (flags.preempt == "swap") {
    config.preempt = PreemptMode::kSwap;
    config.hostPages =
        static_cast<uint32_t>(std::min<uint64_t>(flags.swapSpace / session.kv().pageBytes(), INT32_MAX / kPageTokens));
    if (config.hostPages == 0)
      return Status::error(ErrorKind::kUsage, "CLI_FLAG",
                           "--swap-space " + formatBytes(flags.swapSpace) + " holds no KV page of " +
                               formatBytes(session.kv().pageBytes()));
  } else if (flags.preempt != "recompute") {
    return unknown("--preempt", "recompute or swap", flags.preempt);
  }
  return config;
}

}  // namespace llmc::rt
