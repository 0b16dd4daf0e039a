// First fit by falling size: slots share bytes when no phase needs both.
#include "passes/Passes.h"
#include "passes/SlotLife.h"

namespace llmc {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

struct Placed {
  int64_t offset, bytes;
  SlotLife life;
};

/// Lowest offset where `bytes` fit beside everything alive at the same time.
int64_t firstFit(llvm::ArrayRef<Placed> placed, int64_t bytes, const SlotLife &life) {
  llvm::SmallVector<Placed> busy;
  for (const Placed &other : placed)
    if (other.life.overlaps(life))
      busy.push_back(other);
  llvm::sort(busy, [](const Placed &a, const Placed &b) { return a.offset < b.offset; });
  int64_t at = 0;
  for (const Placed &other : busy) {
    if (at + bytes <= other.offset)
      break;
    at = std::max(at, other.offset + other.bytes);
  }
  return at;
}

struct PlanMemoryPass : impl::PlanMemoryBase<PlanMemoryPass> {
  void runOnOperation() override {
    getOperation().walk([&](plan::ProgramOp program) { pack(program); });
  }

  void pack(plan::ProgramOp program) {
    auto lives = slotLives(program);
    llvm::SmallVector<plan::SlotOp> slots(program.getBlock().getOps<plan::SlotOp>());
    llvm::stable_sort(slots, [](plan::SlotOp a, plan::SlotOp b) { return a.getBytes() > b.getBytes(); });
    llvm::SmallVector<Placed> placed[4];
    int64_t ends[4] = {0, 0, 0, 0};
    Builder builder(&getContext());
    for (plan::SlotOp slot : slots) {
      int unit = static_cast<int>(slot.getUnit());
      const SlotLife &life = lives[slot.getSymName()];
      int64_t offset = firstFit(placed[unit], slot.getBytes(), life);
      placed[unit].push_back({offset, static_cast<int64_t>(slot.getBytes()), life});
      ends[unit] = std::max<int64_t>(ends[unit], offset + slot.getBytes());
      slot.setOffsetAttr(builder.getI64IntegerAttr(offset));
    }
    program.setRegionBytesAttr(builder.getDenseI64ArrayAttr(ends));
    program.emitRemark() << "workspace bytes: " << ends[0] << " + " << ends[1] << " a token + " << ends[2]
                         << " a sampled row + " << ends[3] << " a worker";
  }
};

} // namespace
} // namespace llmc
