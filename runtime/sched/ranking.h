// The policies: who goes before whom, as one comparable value.
#pragma once

#include <compare>
#include <cstdint>

#include "runtime/sched/key_ledger.h"
#include "runtime/sched/scheduler_config.h"
#include "runtime/sched/sequence.h"

namespace llmc::rt {

/// Less is better. Classes are compared first: only a better class takes the place of a running sequence. Class 0 are
/// those who once waited for the starvation bound.
struct Rank {
  uint64_t rankClass = 0;
  double service = 0;  ///< what its key got, tokens
  double arrival = 0;  ///< seconds
  uint64_t serial = 0;
  auto operator<=>(const Rank&) const = default;
};

/// Pure functions of the configuration and the sequence. One thread.
class Ranking {
 public:
  explicit Ranking(const SchedulerConfig& config)
      : policy_(config.policy),
        fairKeys_(config.fairKeys),
        starvationSeconds_(config.starvationSeconds),
        levels_(config.mlfqLevels),
        quantum_(config.mlfqQuantum) {}

  /// Skip-join: the first level whose quantum holds the whole prompt, so that a long prompt does not take a short one's
  /// place only to be demoted halfway.
  uint32_t joinLevel(uint32_t promptTokens) const;
  uint64_t rankClass(const Sequence& sequence) const;
  /// Order of admission. Keys count here.
  Rank waiting(const Sequence& sequence, const KeyLedger& keys) const;
  /// Order of keeping pages. Keys do not count: the oldest of the best class always goes on, so some sequence finishes.
  Rank running(const Sequence& sequence) const;
  /// `tokens` were computed for it. True when it sank to a lower level.
  bool serve(Sequence& sequence, uint32_t tokens) const;
  /// True when it just reached the starvation bound.
  bool age(Sequence& sequence, double now) const;
  /// Whether a waiting sequence of a better class takes the place of a running one.
  bool takesPlaces() const { return policy_ != Policy::kFcfs; }

 private:
  uint64_t quantum(uint32_t level) const { return uint64_t{quantum_} << level; }

  const Policy policy_;
  const bool fairKeys_;
  const double starvationSeconds_;
  const uint32_t levels_, quantum_;
};

}  // namespace llmc::rt
