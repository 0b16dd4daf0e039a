// Pairs of slots against their lives; first use of every slot.
#include "passes/Passes.h"
#include "passes/SlotLife.h"
#include "llvm/ADT/DenseSet.h"

namespace llmc {
#define GEN_PASS_DEF_PLANVERIFY
#include "passes/Passes.h.inc"

using namespace mlir;

namespace {

struct PlanVerifyPass : impl::PlanVerifyBase<PlanVerifyPass> {
  void runOnOperation() override {
    auto result = getOperation().walk([&](plan::ProgramOp program) {
      return failed(verify(program)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  LogicalResult verify(plan::ProgramOp program) {
    auto lives = slotLives(program);
    llvm::SmallVector<plan::SlotOp> slots(program.getBlock().getOps<plan::SlotOp>());
    for (size_t i = 0; i < slots.size(); ++i) {
      if (lives[slots[i].getSymName()].first < 0)
        return slots[i].emitOpError("must be written by a launch, found none that does");
      for (size_t j = 0; j < i; ++j)
        if (conflict(slots[i], slots[j], lives))
          return slots[i].emitOpError("shares bytes with @") << slots[j].getSymName() << " while both are alive";
    }
    return verifyOrder(program);
  }

  /// Inputs come from earlier phases: launches of one phase run side by side. What is an input, the kern.func says.
  LogicalResult verifyOrder(plan::ProgramOp program) {
    llvm::DenseSet<llvm::StringRef> written;
    for (auto phase : program.getBlock().getOps<plan::PhaseOp>()) {
      llvm::SmallVector<llvm::StringRef> fresh;
      for (auto launch : phase.getBlock().getOps<plan::LaunchOp>()) {
        auto kernel = getOperation().lookupSymbol<kern::FuncOp>(launch.getKernel());
        if (!kernel)
          continue;
        size_t inputs = kernel.getArgumentTypes().size();
        for (auto [i, attr] : llvm::enumerate(launch.getArgs().getAsRange<plan::ArgAttr>())) {
          if (attr.getKind() != plan::ArgKind::Slot)
            continue;
          llvm::StringRef name = attr.getName().getValue();
          if (i >= inputs)
            fresh.push_back(name);
          else if (!written.contains(name))
            return launch.emitOpError("reads @") << name << ", which no earlier phase writes";
        }
      }
      written.insert(fresh.begin(), fresh.end());
    }
    return success();
  }

  bool conflict(plan::SlotOp a, plan::SlotOp b, llvm::MapVector<llvm::StringRef, SlotLife> &lives) {
    bool bytes = a.getUnit() == b.getUnit() && a.getOffset() < b.getOffset() + b.getBytes() &&
                 b.getOffset() < a.getOffset() + a.getBytes();
    return bytes && lives[a.getSymName()].overlaps(lives[b.getSymName()]);
  }
};

} // namespace
} // namespace llmc
