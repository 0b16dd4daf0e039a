// When each slot of a program holds something: from the phase that first names it to the last one.
#pragma once

#include "dialects/Plan/PlanDialect.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {

/// Phases [first, last] in which a slot is named; last = number of phases for the logits
/// their argmax and their tokens, which outlive the program.
struct SlotLife {
  int64_t first = -1, last = -1;
  bool overlaps(const SlotLife &other) const { return first <= other.last && other.first <= last; }
};

/// Lives of all slots of `program`, in order of declaration. A slot that nothing names has first = -1.
llvm::MapVector<llvm::StringRef, SlotLife> slotLives(plan::ProgramOp program);

} // namespace llmc
