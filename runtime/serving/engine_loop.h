// The thread that owns the engine: takes generations from the server, lets the scheduler decide, runs steps, samples.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/exec/executor.h"
#include "runtime/kv/kv_store.h"
#include "runtime/kv/memory_ahead.h"
#include "runtime/sample/sample_rows.h"
#include "runtime/sched/scheduler.h"
#include "runtime/server/backend.h"
#include "runtime/serving/batch_sampler.h"
#include "runtime/serving/generation.h"
#include "runtime/serving/heartbeat.h"
#include "runtime/serving/inbox.h"
#include "runtime/serving/stall_judge.h"
#include "runtime/serving/step_trace.h"

namespace llmc::rt::serving {

/// What a loop may do without.
struct LoopExtras {
  std::unique_ptr<KvStore> host;     ///< where pages of swapped sequences go; its pages count, not config.hostPages
  std::unique_ptr<StepTrace> trace;  ///< where steps are recorded
  MemoryAhead* memory = nullptr;     ///< makes memory of `executor` and `kv` ready; outlives the loop
  /// Where the executor can, the next step starts before the tokens of the one that runs are known.
  bool asyncScheduling = true;
  /// Hears of each request that fails by a fault of ours, which clients are told without its reason, and of a trace
  /// that cannot be written; on the thread of run(). None: nobody does.
  std::function<void(const std::string&)> notice = {};
  /// Hears of each step once it is told, on the thread of run(). None: nobody does.
  std::function<void(const TracedStep&)> stepped = {};
  /// Called when there is something to do after a rest, on the thread of run(). None: nobody is.
  std::function<void()> woke = {};
  /// Called once a second has gone by without a request, on the thread of run(), once a rest. None: nobody is.
  std::function<void()> settled = {};
};

/// The server's functions may be called by any thread, run() by the one that made the executor's workers.
class EngineLoop final : public server::Backend {
 public:
  /// `executor` and `kv` must outlive the loop; nobody else may use them while run() runs. Error RT_SCHEDULER (64).
  static Result<std::unique_ptr<EngineLoop>> create(Executor& executor, KvStore& kv, server::ModelFacts facts,
                                                    SchedulerConfig config, LoopExtras extras = {});

  /// Runs steps until stop(); sleeps while there is nothing to do. The error of a step that failed as a whole, after
  /// which every generation has ended with it and submit() refuses.
  Status run();
  void stop();  ///< any thread; generations that still run are forgotten

  const server::ModelFacts& facts() const override { return facts_; }
  Status submit(server::GenerationRequest request, std::shared_ptr<server::GenerationSink> sink) override;
  void cancel(server::GenerationId id, uint32_t choice) override;
  void pause(server::GenerationId id) override;
  void resume(server::GenerationId id) override;
  server::BackendStats stats() const override;
  bool works() const override { return !broken_.load(); }

  /// What a watchdog sees of the loop. Any thread, as long as the executor lives or run() has returned.
  LifeSigns signs() const;
  /// Gives up a loop that hangs, once: submit() refuses from here on, `say` gets what can be known of its state, a text
  /// of lines. Where it hangs in kernels or in a device, all generations end with `status` and the trace is written; if
  /// it comes back nevertheless, run() returns `status`. Else they are left as they are. Any thread but run()'s.
  void condemn(const Status& status, const std::function<void(const std::string&)>& say);

 private:
  /// A token of the step under way, told once the scheduler has said whether it is the last.
  struct Made {
    server::GenerationId id;
    Generation* generation;  ///< null: PlannedSample::dropped
    server::TokenEvent event;
    bool failed = false;
  };
  /// A step between its start and its end.
  struct Flight {
    explicit Flight(uint32_t vocabulary) : sampling(vocabulary) {}
    const StepPlan* plan = nullptr;  ///< null: none
    SampleRows sampling;             ///< what the device samples in it
    bool tokensStay = false;         ///< all its tokens are sampled on the device, by what is known before
    TracedStep traced;
  };

  EngineLoop(Executor& executor, KvStore& kv, server::ModelFacts facts, uint32_t maxQueue,
             std::unique_ptr<Scheduler> scheduler, LoopExtras extras);
  double now() const;
  Status serve();
  Status leaveRun(LoopPhase next);
  std::string describe(bool sequences) const;
  void apply(std::vector<Command>& commands);
  void admit(Command& command);
  Digest128 saltOf(const std::string& salt) const;
  Status move(std::span<const PageMove> moves);
  Status step();
  Status startStep();
  Status startAhead();
  Status finishStep();
  void rest();
  void traceStep(TracedStep& traced);
  void flushTrace();
  void scorePrompts(const StepPlan& plan);
  StepSampling samplingOf(Flight& flight, uint32_t ahead);
  Status sample(const Flight& flight, const StepPlan& plan);
  Status addTask(const Flight& flight, const PlannedSample& planned);
  TracedStep tracedOf(const StepPlan& plan) const;
  void fail(server::GenerationId id, const Status& status);
  void tellTokens();
  void tellEnds();
  void wakeTakers();
  void land();
  void breakDown(const Status& status);
  void publishQueue();
  void publishStats(uint32_t tokens);

  Executor& executor_;
  KvStore& kv_;
  const server::ModelFacts facts_;
  const uint32_t maxQueue_;
  uint32_t freePlaces_;  ///< Scheduler::freePlaces(), with stats_
  std::unique_ptr<Scheduler> scheduler_;
  const LoopExtras extras_;
  BatchSampler sampler_;
  Flight flights_[2];  ///< [flight_]: the step that ends next
  uint32_t flight_ = 0;
  std::vector<uint32_t> samplesOfRow_;  ///< how many choices take their token from a row
  Inbox inbox_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const uint64_t saltSecret_[2];  ///< of this process, so that nobody can make two salts collide
  std::unordered_map<server::GenerationId, std::unique_ptr<Generation>> generations_;
  uint32_t unsettled_ = 0;  ///< submits that were taken and that stats_ does not have yet
  std::vector<SampleOutcome> outcomes_;
  std::vector<Made> made_;
  std::vector<std::unique_ptr<Generation>> ended_;             ///< in this step: their takers were not woken yet
  std::vector<SampleTask> tasks_;                              ///< parallel to made_
  std::unordered_map<server::GenerationId, Status> failures_;  ///< of this step
  std::atomic<bool> broken_{false};
  Heartbeat heart_;
  mutable std::mutex judging_;  ///< of the three below, and of what kRun leaves untouched while somebody judges
  std::atomic<bool> condemned_{false};
  Status condemnedBy_ = Status::ok();
  bool over_ = false;  ///< run() has returned
  mutable std::mutex statsMutex_;
  server::BackendStats stats_;
};

}  // namespace llmc::rt::serving
