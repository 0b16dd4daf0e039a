// Lets waiting sequences in: who is next, whether it fits, whose place it takes. Internal to runtime/sched.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/sched/scheduler_state.h"

namespace llmc::rt {

/// What is left of a step while it is planned.
struct StepBudget {
  uint32_t tokens = 0;
  uint32_t rows = 0;
  uint32_t prefill = 0;  ///< prompt tokens that may be among them
};

/// Head-of-line rule: the best-ranked candidate that may run at all is admitted or nobody is; a smaller request never
/// slips past it into pages or slots that it waits for. Passed over, because more room would not help them, are paused
/// requests, those whose key runs its maximum, and prompts that wait for a prefix that is just being computed.
class Admission {
 public:
  explicit Admission(SchedulerState& state) : state_(&state), seen_(state.config.pages, 0) {}

  /// Admits and gives each its chunk of the budget, until something runs out. Whose place is taken gives its share of
  /// the budget back.
  void run(StepBudget& budget);
  /// Whether run() would let nobody in even with tokens to spare, as long as no page and no place comes free. May say
  /// no where that is not sure.
  bool closed();
  /// Tokens of a prefilling sequence for this step; 0 when the budget is used up. Takes them from the budget.
  void assignChunk(Sequence& sequence, StepBudget& budget) const;

 private:
  enum class Answer : uint8_t { kAdmitted, kFull, kDeferred };
  struct Need {
    uint32_t pages = 0;      ///< fresh ones
    uint32_t margin = 0;     ///< beside others: what its neighbours will soon want
    uint32_t available = 0;  ///< for it
    uint32_t hits = 0;       ///< pages in the prefix cache
  };
  /// Of running sequences that may have to give way.
  struct Places {
    uint32_t pages = 0, slots = 0, sequences = 0;
  };
  uint32_t chunkOf(const Sequence& sequence, uint32_t most) const;
  Sequence* best();
  bool passedOver(Sequence& sequence);
  Answer admit(Sequence& sequence, StepBudget& budget);
  Need needOf(Sequence& sequence) const;
  bool waitsForPrefix(Sequence& sequence, uint32_t hits);
  bool makeRoom(Sequence& sequence, StepBudget& budget);
  Places placesFor(const Sequence& sequence);
  bool fits(const Need& need, const Places& taken) const;
  void start(Sequence& sequence, StepBudget& budget);
  void blocked(const Sequence& sequence, Decision why, uint32_t first, uint32_t second);

  SchedulerState* state_;
  std::vector<uint32_t> seen_;  ///< [page] scratch, zero between calls
  // The last refusal, so that it is neither traced nor computed again while nothing has changed.
  uint64_t blockedSerial_ = 0;
  Decision blockedWhy_ = Decision::kSubmitted;
  uint32_t blockedNeed_ = 0;
  uint64_t blockedStep_ = 0;
};

}  // namespace llmc::rt
