// Drives a scheduler with random requests, cancels, pauses, deadlines and faults, and checks everything after every
// step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "paged_model.h"
#include "runtime/exec/batch_builder.h"
#include "runtime/sched/scheduler.h"

namespace llmc::rt {

struct LoadTotals {
  uint64_t requests = 0, steps = 0, tokens = 0, refused = 0, cancelled = 0, expired = 0, failed = 0, preemptions = 0;
  uint64_t swaps = 0, hits = 0, evicted = 0;
  uint64_t together = 0, queued = 0;           ///< choices that began with their leader; those that waited for a place
  uint64_t exactTokens = 0, mixedSteps = 0;    ///< of exact sequences; steps of these and others
  uint64_t ahead = 0, dropped = 0, again = 0;  ///< steps planned ahead; samples of them dropped; rows without a token
  double longestWaitShare = 0;                 ///< of the stated bound
};

/// All of a run follows from its seed: configuration, requests and faults.
class SimulatedLoad {
 public:
  explicit SimulatedLoad(uint64_t seed);

  /// Empty, or what went wrong, with the seed, the step and the last decisions.
  std::string run(uint32_t requests, LoadTotals& totals);

 private:
  struct Client {
    RequestSpec spec;
    std::vector<uint64_t> kv;  ///< [choice] expected, after all its tokens
    std::vector<uint32_t> generated;
    std::vector<bool> ended;
    double submitted = 0;
    bool started = false, cancelled = false, paused = false;
    double pausedSeconds = 0, pausedSince = 0;
  };
  uint32_t pick(uint32_t low, uint32_t high) { return low + static_cast<uint32_t>(random_() % (high - low + 1)); }
  bool chance(double probability) { return std::uniform_real_distribution<>(0, 1)(random_) < probability; }
  static SchedulerConfig randomConfig(std::mt19937_64& random);
  RequestSpec randomRequest();
  bool exact(const RequestSpec& spec) const { return spec.exact || config_.deterministic; }
  /// What the model's first token reads: what others have computed is another context for an exact sequence.
  uint64_t rootOf(const RequestSpec& spec) const { return spec.salt.low ^ (exact(spec) ? 0xE7AC7 : 0); }
  void submitOne();
  void disturb();
  /// A step that the "device" has done and nobody has looked at.
  struct Flight {
    const StepPlan* plan = nullptr;
    std::vector<uint64_t> kv;        ///< [entry] of its last token
    std::vector<bool> spoilt;        ///< [entry]
    std::vector<int32_t> rowTokens;  ///< [row] for the step after
  };
  bool step();
  void planStep();
  bool planAhead();
  void checkBudgets(const StepPlan& plan);
  void checkPlan(const StepPlan& plan);
  void checkExact(const StepPlan& plan, bool preempted);
  void execute(Flight& flight, const std::vector<int32_t>& lastTokens);
  void judge(const Flight& flight, bool another);
  void checkSample(const PlannedSample& sample, uint64_t kv, SampleOutcome& outcome);
  void finishSome();
  void checkWaits();
  void checkIdle();
  void fail(const std::string& what);
  Client* someClient();

  const uint64_t seed_;
  std::mt19937_64 random_;
  SchedulerConfig config_;
  std::unique_ptr<Scheduler> scheduler_;
  PagedModel model_;
  BatchBuilder builder_;
  std::map<RequestId, Client> clients_;
  std::vector<std::vector<int32_t>> prefixes_;
  std::set<std::pair<RequestId, uint32_t>> decoding_;  ///< before the plan
  std::vector<SampleOutcome> outcomes_;
  std::vector<uint32_t> faults_;
  double now_ = 0, cancelRate_ = 0, faultRate_ = 0, pauseRate_ = 0, arrivalSeconds_ = 0, waitBound_ = 0, exactRate_ = 0;
  double aheadRate_ = 0, againRate_ = 0;
  Flight flights_[2];  ///< [flight_]: the one completed next
  uint32_t flight_ = 0;
  std::set<std::pair<RequestId, uint32_t>> seen_;  ///< in the plan
  uint32_t emptyPlans_ = 0;
  RequestId nextId_ = 1;
  std::string failure_;
  LoadTotals totals_;
};

}  // namespace llmc::rt
