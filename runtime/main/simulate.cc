// --simulate TRACE: what a recorded load would see, by the real scheduler on the measured cost of this engine's steps.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/base/counted.h"
#include "runtime/main/modes.h"
#include "runtime/main/output.h"
#include "runtime/main/prompt.h"
#include "runtime/main/scheduler_flags.h"
#include "runtime/main/serving_meter.h"
#include "runtime/main/session.h"
#include "runtime/main/step_meter.h"
#include "runtime/sched/load_simulation.h"

namespace llmc::rt {
namespace {

Result<StepCosts> costsOf(const Flags& flags, Session& session, const SchedulerConfig& config,
                          std::span<const TraceRequest> trace, ServingMeter& meter) {
  if (!flags.stepCost.empty()) {
    auto text = readTextFile(flags.stepCost);
    LLMC_TRY(text.status());
    auto given = parseStepCosts(*text);
    if (given) return given;
    const Status& why = given.status();
    return Status::error(why.kind(), why.code(), "--step-cost " + escaped(flags.stepCost) + ": " + why.message(),
                         why.hint());
  }
  const auto say = [](const std::string& text) { writeNotice(text); };
  auto costs = StepMeter(session).measure(say);
  LLMC_TRY(costs.status());
  LLMC_TRY(meter.measure(session, config, trace, flags.clientMicroseconds.value_or(0) * 1e-6, *costs, say));
  writeNotice("simulating " + counted(trace.size(), "request", "requests"));
  return costs;
}

}  // namespace

Status runSimulate(const Flags& flags) {
  auto text = readTextFile(flags.simulate);
  LLMC_TRY(text.status());
  auto trace = parseLoadTrace(*text);
  LLMC_TRY(trace.status());
  if (trace->empty()) return Status::error(ErrorKind::kBadInput, "RT_TRACE", "the trace has no request");
  ServingMeter meter;  // before this thread is one of the workers
  auto session = Session::open(flags, {.text = flags.stepCost.empty(),
                                       .sequences = flags.maxSequences,
                                       .sharedKv = true,
                                       .rows = flags.maxBatchedTokens});
  LLMC_TRY(session.status());
  auto config = schedulerConfigOf(flags, **session);
  LLMC_TRY(config.status());
  auto costs = costsOf(flags, **session, *config, *trace, meter);
  LLMC_TRY(costs.status());
  auto cost = MeasuredStepCost::create(*costs);
  LLMC_TRY(cost.status());
  auto report = simulateLoad(*trace, *config, *cost);
  LLMC_TRY(report.status());
  if (report->refused > 0) {
    char time[32];
    std::snprintf(time, sizeof time, "%g", report->firstRefusal.time);
    writeNotice(std::to_string(report->refused) + " of " + std::to_string(trace->size()) +
                " requests were refused; the first, at second " + time + ": " + report->firstRefusal.reason);
  }
  if (!flags.json) return writeOutput(loadTable(*report));
  auto json = nlohmann::ordered_json::parse(loadJson(*report));
  json["step_cost"] = nlohmann::ordered_json::parse(stepCostsJson(*costs));
  return writeOutput(json.dump() + "\n");
}

}  // namespace llmc::rt
