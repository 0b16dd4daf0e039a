// One walk over the launches of a program.
#include "passes/SlotLife.h"

namespace llmc {

llvm::MapVector<llvm::StringRef, SlotLife> slotLives(plan::ProgramOp program) {
  llvm::MapVector<llvm::StringRef, SlotLife> lives;
  for (auto slot : program.getBlock().getOps<plan::SlotOp>())
    lives[slot.getSymName()] = {};
  int64_t phase = 0;
  for (auto op : program.getBlock().getOps<plan::PhaseOp>()) {
    for (auto launch : op.getBlock().getOps<plan::LaunchOp>())
      for (auto arg : launch.getArgs().getAsRange<plan::ArgAttr>()) {
        if (arg.getKind() != plan::ArgKind::Slot)
          continue;
        SlotLife &life = lives[arg.getName().getValue()];
        if (life.first < 0)
          life.first = phase;
        life.last = phase;
      }
    ++phase;
  }
  lives[program.getLogits()].last = phase;
  if (program.getArgmax())
    lives[*program.getArgmax()].last = phase;
  if (program.getSample())
    lives[*program.getSample()].last = phase;
  return lives;
}

} // namespace llmc
