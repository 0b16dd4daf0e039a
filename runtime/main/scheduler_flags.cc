// Names to enumerators, bytes to pages.
#include "runtime/main/scheduler_flags.h"

#include <algorithm>

#include "runtime/device/machine_memory.h"
#include "runtime/kv/kv_plan.h"
#include "runtime/main/output.h"

namespace llmc::rt {
namespace {

Result<uint32_t> hostPagesOf(const Flags& flags, Session& session) {
  const MachineMemory machine = machineMemory();
  SwapRequest request;
  request.wishBytes = flags.swapSpace;
  request.given = flags.swapSpaceGiven;
  request.pageBytes = session.kv().pageBytes();
  if (!session.device()) request.kvBytes = session.kv().pageBytes() * session.kv().pages();
  request.availableBytes = machine.available;
  request.machineBytes = machine.total;
  auto pages = planSwap(request);
  if (pages && request.given && request.kvBytes + request.wishBytes > machine.available)
    writeNotice("--swap-space " + formatBytes(request.wishBytes) + " and the KV cache are more than the " +
                formatBytes(machine.available) +
                " of memory that are available now: this process may be killed once they fill");
  return pages;
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
  if (flags.preempt == "swap") {
    config.preempt = PreemptMode::kSwap;
    auto pages = hostPagesOf(flags, session);
    LLMC_TRY(pages.status());
    config.hostPages = *pages;
  }
  return config;
}

}  // namespace llmc::rt
