// The invariants of the scheduler's state, for tests: what random loads are held against after every step.
#pragma once

#include "runtime/sched/scheduler_state.h"

namespace llmc::rt {

/// All invariants between queue, running sequences, requests and pages; O(everything). Error RT_SCHEDULER_STATE (70)
/// names the sequence or page, and what does not fit; those of PrefixCache::check().
Status checkState(const SchedulerState& state);

}  // namespace llmc::rt
