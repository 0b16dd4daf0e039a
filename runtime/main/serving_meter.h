// Measures what serving adds to steps and requests, and how its steps vary: by a server of its own, whose answers a
// client in this process reads.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <future>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/main/session.h"
#include "runtime/sched/load_trace.h"
#include "runtime/sched/scheduler_config.h"
#include "runtime/sched/step_cost.h"
#include "runtime/serving/engine_loop.h"
#include "runtime/serving/step_trace.h"

namespace llmc::rt {

/// Between two steps a server plans, samples, tells tokens and wakes threads that write them; workers sleep meanwhile,
/// and where they have all CPUs, those threads take theirs while the next step runs. None of it is in a step by itself,
/// and none of it can be told from outside: so the whole path is run for some seconds, over loopback. Then the load
/// begins to be played against it, for how far steps are from their cost in such company: prompts after a rest, caches
/// that others have filled, CPUs that somebody takes for a moment.
class ServingMeter {
 public:
  /// Its threads inherit the CPUs of the caller: before the caller is pinned.
  ServingMeter();
  ~ServingMeter();
  ServingMeter(const ServingMeter&) = delete;
  ServingMeter& operator=(const ServingMeter&) = delete;

  /// Adds what was measured to `bare`, the costs of `session`'s steps by themselves. Once, by the thread that opened
  /// `session`, which needs its tokenizer, shared KV pages, and no sequence in them. `trace`: the load, of which
  /// rehearsalOf() is played. `clientSeconds`: CPU time that clients on the server's CPUs take for a token. `say`
  /// hears, on any thread, what is measured and how long that takes. Errors: those of a step; RT_METER (69) when there
  /// is no loopback or a request was refused.
  Status measure(Session& session, SchedulerConfig config, std::span<const TraceRequest> trace, double clientSeconds,
                 StepCosts& bare, const std::function<void(const std::string&)>& say = {});
  /// CPU time of the client's thread, once all is measured.
  double clientCpuSeconds() const { return clientCpu_; }

 private:
  /// For the thread of server and client.
  struct Work {
    serving::EngineLoop* loop = nullptr;  ///< null: nothing to do
    const Tokenizer* tokenizer = nullptr;
    std::span<const int> workers;  ///< CPUs
    std::vector<uint32_t> streams;
    uint32_t tokens = 0;  ///< of an answer
    std::vector<TraceRequest> rehearsal;
    uint32_t vocabulary = 0;
    double clientSeconds = 0;  ///< for a token
    double waveSeconds = 0;    ///< of all streams, by the steps alone
    std::function<void(const std::string&)> say;
  };
  /// Everything that the loop told, and when.
  struct Heard {
    std::vector<serving::TracedStep> steps;
    std::vector<double> at;  ///< [step] on the process's clock
  };
  void front();
  Status load(const Work& work);
  static void sayWaves(const Work& work);
  static void sayRehearsal(const Work& work);
  Status add(const Heard& heard, StepCosts& bare) const;

  std::promise<Work> work_;
  double clientCpu_ = 0;           ///< seconds; by front()
  double rehearsed_ = 0;           ///< when that began, on the process's clock; by front()
  Status loaded_ = Status::ok();   ///< what front() came to, of it and of load()
  std::vector<double> latencies_;  ///< seconds of requests of one token, one after the other, the last ones
  std::thread front_;
};

/// Of steps in order, all with as many rows as tokens and no prompt, and the seconds from one's begin to the next
/// one's: what so many rows took beyond `bare`, the median of the means of each stretch. Pure.
std::vector<StepPoint> servedPoints(std::span<const serving::TracedStep> steps, const StepCost& bare);
/// [kind] What each of `steps`, in order, took as a share of `cost`: until the next one begins, or, of one that left
/// nobody, until it was told. Pure.
std::array<std::vector<double>, kStepKinds> variationOf(std::span<const serving::TracedStep> steps,
                                                        const StepCost& cost);
/// The first 8 seconds of a load, or its first 256 requests, without those of more than `room` tokens. Nobody rests
/// longer than half a second. Pure.
std::vector<TraceRequest> rehearsalOf(std::span<const TraceRequest> trace, uint32_t room);

}  // namespace llmc::rt
