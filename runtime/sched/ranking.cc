// Classes of the three policies.
#include "runtime/sched/ranking.h"

#include <algorithm>

namespace llmc::rt {

uint32_t Ranking::joinLevel(uint32_t promptTokens) const {
  uint32_t level = 0;
  while (level + 1 < levels_ && quantum(level) < promptTokens) ++level;
  return level;
}

uint64_t Ranking::rankClass(const Sequence& sequence) const {
  if (sequence.aged) return 0;
  switch (policy_) {
    case Policy::kFcfs:
      return 1;
    case Policy::kPriority:
      // 0 is of the aged.
      return std::max<uint64_t>(static_cast<uint64_t>(sequence.priority) ^ (uint64_t{1} << 63), 1);
    case Policy::kMlfq:
      return uint64_t{sequence.level} + 1;
  }
  return 1;
}

Rank Ranking::waiting(const Sequence& sequence, const KeyLedger& keys) const {
  return {rankClass(sequence), fairKeys_ ? keys.service(sequence.key) : 0, sequence.arrival, sequence.serial};
}

Rank Ranking::running(const Sequence& sequence) const {
  return {rankClass(sequence), 0, sequence.arrival, sequence.serial};
}

bool Ranking::serve(Sequence& sequence, uint32_t tokens) const {
  if (policy_ != Policy::kMlfq) return false;
  sequence.served += tokens;
  if (sequence.level + 1 >= levels_ || sequence.served < quantum(sequence.level)) return false;
  ++sequence.level;
  sequence.served = 0;
  return true;
}

bool Ranking::age(Sequence& sequence, double now) const {
  if (sequence.aged || now - sequence.waitingSince < starvationSeconds_) return false;
  return sequence.aged = true;
}

}  // namespace llmc::rt
