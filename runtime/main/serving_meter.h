// Measures what serving adds to steps and requests: by a server of its own, whose answers a client in this process
// reads.
#pragma once

#include <cstdint>
#include <future>
#include <span>
#include <thread>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/main/session.h"
#include "runtime/sched/scheduler_config.h"
#include "runtime/sched/step_cost.h"
#include "runtime/serving/engine_loop.h"
#include "runtime/serving/step_trace.h"

namespace llmc::rt {

/// Between two steps a server plans, samples, tells tokens and wakes threads that write them; workers sleep meanwhile,
/// and where they have all CPUs, those threads take theirs while the next step runs. None of it is in a step by itself,
/// and none of it can be told from outside: so the whole path is run for some seconds, over loopback.
class ServingMeter {
 public:
  /// Its threads inherit the CPUs of the caller: before the caller is pinned.
  ServingMeter();
  ~ServingMeter();
  ServingMeter(const ServingMeter&) = delete;
  ServingMeter& operator=(const ServingMeter&) = delete;

  /// Adds what was measured to `bare`, the costs of `session`'s steps by themselves. Once, by the thread that opened
  /// `session`, which needs its tokenizer, shared KV pages, and no sequence in them. Errors: those of a step; RT_METER
  /// (69) when there is no loopback or a request was refused.
  Status measure(Session& session, SchedulerConfig config, StepCosts& bare);

 private:
  /// For the thread of server and client.
  struct Work {
    serving::EngineLoop* loop = nullptr;  ///< null: nothing to do
    const Tokenizer* tokenizer = nullptr;
    std::span<const int> workers;  ///< CPUs
    std::vector<uint32_t> streams;
    uint32_t tokens = 0;  ///< of an answer
  };
  void front();
  Status load(const Work& work);

  std::promise<Work> work_;
  Status loaded_ = Status::ok();   ///< what front() came to, of it and of load()
  std::vector<double> latencies_;  ///< seconds of requests of one token, one after the other, the last ones
  std::thread front_;
};

/// Of steps in order, all with as many rows as tokens and no prompt, and the seconds from one's begin to the next
/// one's: what so many rows took beyond `bare`, the median of the means of each stretch. Pure.
std::vector<StepPoint> servedPoints(std::span<const serving::TracedStep> steps, const StepCost& bare);

}  // namespace llmc::rt
