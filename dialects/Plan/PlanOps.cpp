// Builders and rules of the plan operations.
#include "dialects/Plan/PlanDialect.h"

#include "llvm/ADT/StringSet.h"

#define GET_OP_CLASSES
#include "dialects/Plan/PlanOps.cpp.inc"

namespace llmc::plan {
using namespace mlir;

/// Rising, with 0 (no bound) last and nowhere else.
static bool risesToZero(::llvm::ArrayRef<int64_t> bounds) {
  if (bounds.empty() || bounds.back() != 0) return false;
  for (size_t i = 0; i + 1 < bounds.size(); ++i)
    if (bounds[i] <= (i == 0 ? 0 : bounds[i - 1])) return false;
  return true;
}

/// What a program takes: most tokens of a sequence and of the step, any number above all.
using Bounds = std::pair<uint64_t, uint64_t>;
static Bounds boundsOf(ProgramOp program) {
  auto bound = [](int64_t most) { return most == 0 ? UINT64_MAX : static_cast<uint64_t>(most); };
  return {bound(program.getQMax()), bound(program.getTMax())};
}

/// Each program takes more than the one before it, the last one everything.
static bool takesAllSteps(::llvm::ArrayRef<ProgramOp> programs) {
  Bounds previous = {0, 0};
  for (ProgramOp program : programs) {
    if (boundsOf(program) <= previous) return false;
    previous = boundsOf(program);
  }
  return programs.empty() || previous == Bounds{UINT64_MAX, UINT64_MAX};
}

// --- plan.engine ---

void EngineOp::build(OpBuilder& b, OperationState& state, DictionaryAttr model, ArrayAttr levels, int64_t pageTokens,
                     int64_t layerBytes, int64_t pageBytes) {
  state.addAttribute(getModelAttrName(state.name), model);
  state.addAttribute(getLevelsAttrName(state.name), levels);
  state.addAttribute(getPageTokensAttrName(state.name), b.getI64IntegerAttr(pageTokens));
  state.addAttribute(getLayerBytesAttrName(state.name), b.getI64IntegerAttr(layerBytes));
  state.addAttribute(getPageBytesAttrName(state.name), b.getI64IntegerAttr(pageBytes));
  state.addRegion()->emplaceBlock();
}

LogicalResult EngineOp::verify() {
  ::llvm::StringSet<> seen;
  if (getLevels().empty()) return emitOpError("C2: expected at least one level, found none");
  for (auto level : getLevels().getAsRange<StringAttr>())
    if (!seen.insert(level.getValue()).second)
      return emitOpError("C2: expected each level once, found '") << level.getValue() << "' again";
  if (getLayerBytes() <= 0 || getLayerBytes() % 64 != 0 || getPageBytes() <= 0 || getPageBytes() % getLayerBytes() != 0)
    return emitOpError("C3: expected page_bytes to be a multiple of layer_bytes, and that of 64, found ")
           << getPageBytes() << " and " << getLayerBytes();
  if (getTarget() != "cpu" && getTarget() != "cuda")
    return emitOpError("C7: expected target cpu or cuda, found '") << getTarget() << "'";
  bool cuda = getTarget() == "cuda";
  bool ofTarget = cuda ? getKvKind() == "bf16" || getKvKind() == "e4m3" : getKvKind() == "f32";
  if (getKvKind() != "f16" && getKvKind() != "i8" && !ofTarget)
    return emitOpError(
               "C8: expected kv_kind f16 or i8, or f32 for target cpu, or bf16 or e4m3 for target cuda, found '")
           << getKvKind() << "'";
  for (auto level : getLevels().getAsRange<StringAttr>())
    if (level.getValue().starts_with("cuda:") != cuda)
      return emitOpError("C7: expected levels of target ") << getTarget() << ", found " << level;
  return success();
}

/// C7 for one program.
static LogicalResult verifyTarget(ProgramOp program, ::llvm::StringRef target) {
  if (target == "cpu" && program.getQMax() != 0)
    return program.emitOpError("C7 of plan.engine: expected q_max 0 for target cpu, found ") << program.getQMax();
  auto worker = static_cast<size_t>(SlotUnit::Worker);
  if (target == "cuda" && program.getRegionBytes().size() > worker && program.getRegionBytes()[worker] != 0)
    return program.emitOpError("C7 of plan.engine: expected no bytes a worker for target cuda, found ")
           << program.getRegionBytes()[worker];
  return success();
}

/// C5 and C6 for one launch.
static LogicalResult verifyLaunch(LaunchOp launch, const ::llvm::StringMap<int64_t>& kernelArgs, Operation* module) {
  auto kernel = kernelArgs.find(launch.getKernel());
  if (kernel == kernelArgs.end())
    return launch.emitOpError("C5: expected a plan.kernel named '") << launch.getKernel() << "', found none";
  if (kernel->second != static_cast<int64_t>(launch.getArgs().size()))
    return launch.emitOpError("C5: expected ") << kernel->second << " arguments, found " << launch.getArgs().size();
  for (auto arg : launch.getArgs().getAsRange<ArgAttr>())
    if (arg.getKind() == ArgKind::Weight && module &&
        !::mlir::SymbolTable::lookupSymbolIn(module, arg.getName().getAttr()))
      return launch.emitOpError("C6: expected a weight named '")
             << arg.getName().getValue() << "' in the module, found none";
  return success();
}

LogicalResult EngineOp::verifyRegions() {
  ::llvm::StringMap<int64_t> kernelArgs;
  ::llvm::SmallVector<ProgramOp> programs;
  for (Operation& op : getBlock()) {
    if (auto kernel = ::llvm::dyn_cast<KernelOp>(op)) {
      kernelArgs[kernel.getSymName()] = kernel.getArgs();
    } else if (auto program = ::llvm::dyn_cast<ProgramOp>(op)) {
      programs.push_back(program);
      if (failed(verifyTarget(program, getTarget()))) return failure();
    } else {
      return emitOpError("C1: expected plan.kernel and plan.program only, found '") << op.getName() << "'";
    }
  }
  if (!takesAllSteps(programs)) {
    auto error = emitOpError("C4: expected programs to rise in q_max and t_max with 0 last, found t_max");
    for (ProgramOp program : programs) {
      error << " " << program.getTMax();
      if (program.getQMax() != 0) error << " (q_max " << program.getQMax() << ")";
    }
    return error;
  }
  Operation* module = (*this)->getParentWithTrait<OpTrait::SymbolTable>();
  WalkResult result = walk([&](LaunchOp launch) {
    return failed(verifyLaunch(launch, kernelArgs, module)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

// --- plan.kernel ---

LogicalResult KernelOp::verify() {
  if (!risesToZero(getMMax())) return emitOpError("C1: expected m_max to rise and end with 0, found ") << getMMax();
  if (getArgs() <= 0) return emitOpError("C2: expected args > 0, found ") << getArgs();
  if (getScratchBytes() < 0 || getScratchBytes() % 64 != 0)
    return emitOpError("C3: expected scratch_bytes that are a multiple of 64, found ") << getScratchBytes();
  return success();
}

// --- plan.program ---

void ProgramOp::build(OpBuilder& b, OperationState& state, ::llvm::StringRef name, int64_t tMax,
                      ::llvm::StringRef logits, ::llvm::ArrayRef<int64_t> regionBytes) {
  state.addAttribute(::mlir::SymbolTable::getSymbolAttrName(), b.getStringAttr(name));
  state.addAttribute(getTMaxAttrName(state.name), b.getI64IntegerAttr(tMax));
  state.addAttribute(getLogitsAttrName(state.name), FlatSymbolRefAttr::get(b.getContext(), logits));
  state.addAttribute(getRegionBytesAttrName(state.name), b.getDenseI64ArrayAttr(regionBytes));
  state.addRegion()->emplaceBlock();
}

/// C3: offset and bytes are both a unit, so the sum is compared with the region's bytes a unit.
static LogicalResult verifySlot(ProgramOp program, SlotOp slot) {
  int64_t region = program.getRegionBytes()[static_cast<size_t>(slot.getUnit())];
  if (slot.getBytes() <= region && slot.getOffset() <= region - slot.getBytes()) return success();
  return slot.emitOpError("C3: expected an end of at most ")
         << region << " in the region '" << stringifySlotUnit(slot.getUnit()) << "', found " << slot.getOffset()
         << " + " << slot.getBytes();
}

/// C5 for every launch of the program.
static LogicalResult verifySlotArgs(ProgramOp program, const ::llvm::StringMap<SlotUnit>& slots) {
  WalkResult result = program.walk([&](LaunchOp launch) {
    for (auto arg : launch.getArgs().getAsRange<ArgAttr>())
      if (arg.getKind() == ArgKind::Slot && !slots.contains(arg.getName().getValue())) {
        launch.emitOpError("C5: expected a slot named '") << arg.getName().getValue() << "', found none";
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// C4 for one of the names.
static LogicalResult verifyRowSlot(ProgramOp program, const ::llvm::StringMap<SlotUnit>& slots, const char* what,
                                   ::llvm::StringRef name) {
  auto slot = slots.find(name);
  if (slot != slots.end() && slot->second == SlotUnit::Row) return success();
  return program.emitOpError("C4: expected ") << what << " to name a slot counted in rows, found '" << name << "'";
}

LogicalResult ProgramOp::verifyRegions() {
  if (getTMax() < 0 || getQMax() < 0)
    return emitOpError("C6: expected t_max and q_max >= 0, found ") << getTMax() << " and " << getQMax();
  ::llvm::ArrayRef<int64_t> regions = getRegionBytes();
  if (regions.size() != 4 || ::llvm::any_of(regions, [](int64_t n) { return n < 0 || n % 64 != 0; }))
    return emitOpError("C2: expected 4 region sizes that are multiples of 64, found ") << regions;
  ::llvm::StringMap<SlotUnit> slots;
  bool phases = false;
  for (Operation& op : getBlock()) {
    auto slot = ::llvm::dyn_cast<SlotOp>(op);
    if (slot ? phases : !::llvm::isa<PhaseOp>(op))
      return emitOpError("C1: expected plan.slot, then plan.phase, found '")
             << op.getName() << "'" << (slot ? " after a phase" : "");
    phases = !slot;
    if (!slot) continue;
    slots[slot.getSymName()] = slot.getUnit();
    if (failed(verifySlot(*this, slot))) return failure();
  }
  if (failed(verifyRowSlot(*this, slots, "logits", getLogits()))) return failure();
  if (getArgmax() && failed(verifyRowSlot(*this, slots, "argmax", *getArgmax()))) return failure();
  if (getSample() && failed(verifyRowSlot(*this, slots, "sample", *getSample()))) return failure();
  if (getArgmax().has_value() != getArgmaxTile().has_value() || (getArgmaxTile() && *getArgmaxTile() <= 0))
    return emitOpError("C7: expected argmax with a tile > 0, found a tile of ") << getArgmaxTile().value_or(0);
  return verifySlotArgs(*this, slots);
}

// --- plan.slot, plan.phase ---

LogicalResult SlotOp::verify() {
  if (getOffset() >= 0 && getOffset() % 64 == 0 && getBytes() > 0 && getBytes() % 64 == 0) return success();
  return emitOpError("C1: expected offset and bytes that are multiples of 64, found ")
         << getOffset() << " and " << getBytes();
}

void PhaseOp::build(OpBuilder&, OperationState& state) { state.addRegion()->emplaceBlock(); }

LogicalResult PhaseOp::verifyRegions() {
  if (getBlock().empty()) return emitOpError("C1: expected at least one plan.launch, found none");
  for (Operation& op : getBlock())
    if (!::llvm::isa<LaunchOp>(op)) return emitOpError("C1: expected plan.launch only, found '") << op.getName() << "'";
  return success();
}

}  // namespace llmc::plan
