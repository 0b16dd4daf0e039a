// What a load would see on a machine of known step cost: the real scheduler, a virtual clock, no model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/sched/load_trace.h"
#include "runtime/sched/scheduler_config.h"
#include "runtime/sched/step_cost.h"

namespace llmc::rt {

/// Of a set of times, milliseconds. Percentiles interpolate linearly, as numpy's do. All zero for an empty set.
struct Distribution {
  double mean = 0, deviation = 0, median = 0, p90 = 0, p95 = 0, p99 = 0, most = 0;
};
/// `seconds` is sorted in place.
Distribution distributionOf(std::vector<double>& seconds);

/// Names and meanings as in `vllm bench serve`.
struct LoadReport {
  uint64_t completed = 0, refused = 0;
  struct {
    double time = 0;     ///< seconds from the start of the trace
    std::string reason;  ///< empty: none was refused
  } firstRefusal;
  uint64_t inputTokens = 0, outputTokens = 0, cachedTokens = 0;  ///< of completed requests
  double seconds = 0;                                            ///< first arrival to last token
  Distribution ttft, tpot, itl, e2el;  ///< first token; mean between tokens of a request; between tokens; whole request
  uint64_t steps = 0, preemptions = 0;
  uint32_t peakRunning = 0, peakWaiting = 0;
  double peakKvUse = 0;  ///< share of pages held by sequences
  double requestThroughput() const { return seconds > 0 ? static_cast<double>(completed) / seconds : 0; }
  double outputThroughput() const { return seconds > 0 ? static_cast<double>(outputTokens) / seconds : 0; }
  double totalThroughput() const { return seconds > 0 ? static_cast<double>(inputTokens + outputTokens) / seconds : 0; }
};

/// Plays the trace. A request that the scheduler or, for the context, the server refuses counts as refused and does not
/// come back. Requires: `trace` is in order of time. Errors: those of checkConfig(); RT_SCHEDULER_STATE (70) should the
/// scheduler stand still.
Result<LoadReport> simulateLoad(std::span<const TraceRequest> trace, const SchedulerConfig& config,
                                const StepCost& cost);

/// The table that `vllm bench serve` prints, with what only a simulation knows below it.
std::string loadTable(const LoadReport& report);
/// The keys that `vllm bench serve --save-result` writes, with those of a simulation; one object without a line end.
std::string loadJson(const LoadReport& report);

}  // namespace llmc::rt
