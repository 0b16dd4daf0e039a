// Meaning of a plan, part two: every slot inside its region whatever T, S and the worker count, and none on another
// that is alive; every argument resolvable.
#include "runtime/format/program_check.h"

#include <map>
#include <vector>

#include "runtime/base/checked.h"
#include "runtime/base/limits.h"
#include "runtime/format/cuda_check.h"
#include "runtime/format/kernel_abi.h"
#include "runtime/format/section_table.h"

namespace llmc::rt {
namespace {

constexpr uint64_t kArenaAlignment = 64;
/// Largest arena that any T, S and worker count within the limits may ask for.
constexpr uint64_t kArenaBytes = 1ull << 46;
constexpr uint32_t kRegions = 4;

Status wrong(const std::string& path, uint64_t value, const std::string& rule, const char* code = "EN_SEMANTIC") {
  return engineError(code, path + " is " + std::to_string(value) + ", must be " + rule);
}

std::string at(const std::string& path, const char* field, uint32_t index) {
  return path + "." + field + "[" + std::to_string(index) + "]";
}

/// Region sizes at the largest T, S and worker count must add up without wrapping.
Status checkRegions(const std::string& path, const fb::Program& program) {
  const auto& regions = *program.region_bytes();
  if (regions.size() != kRegions) return wrong(path + ".region_bytes.size", regions.size(), "4", "EN_PLAN");
  uint64_t tokens = (program.t_max() != 0 ? program.t_max() : uint64_t{limits::kMaxTokensPerStep}) + kPaddingRows;
  const uint64_t units[kRegions] = {1, tokens, tokens, limits::kThreads};
  uint64_t total = 0;
  for (uint32_t i = 0; i < kRegions; ++i) {
    if (regions.Get(i) % kArenaAlignment != 0)
      return wrong(at(path, "region_bytes", i), regions.Get(i), "a multiple of 64", "EN_PLAN");
    auto bytes = checkedMul<uint64_t>(regions.Get(i), units[i]);
    auto sum = bytes ? checkedAdd<uint64_t>(total, *bytes) : std::nullopt;
    if (!sum || *sum > kArenaBytes)
      return wrong(at(path, "region_bytes", i), regions.Get(i),
                   "small enough for an arena of " + std::to_string(kArenaBytes) + " bytes", "EN_PLAN");
    total = *sum;
  }
  return Status::ok();
}

/// offset * N and bytes * N stay inside region_bytes * N for every N once they do so for N = 1.
Status checkSlot(const std::string& path, const fb::Slot& slot, const fb::Program& program) {
  if (slot.unit() > fb::Unit::Worker)
    return wrong(path + ".unit", static_cast<uint64_t>(slot.unit()), "0 to 3", "EN_PLAN");
  if (slot.offset() % kArenaAlignment != 0)
    return wrong(path + ".offset", slot.offset(), "a multiple of 64", "EN_PLAN");
  if (slot.bytes() == 0 || slot.bytes() % kArenaAlignment != 0)
    return wrong(path + ".bytes", slot.bytes(), "a multiple of 64, not 0", "EN_PLAN");
  uint64_t region = program.region_bytes()->Get(static_cast<uint32_t>(slot.unit()));
  if (!rangeInside(slot.offset(), slot.bytes(), region))
    return engineError("EN_PLAN", path + " has offset " + std::to_string(slot.offset()) + " and bytes " +
                                      std::to_string(slot.bytes()) + ", its region has " + std::to_string(region));
  return Status::ok();
}

Status checkIndex(const std::string& path, uint64_t index, uint64_t count) {
  return index < count ? Status::ok() : wrong(path, index, "below " + std::to_string(count));
}

Status checkArg(const std::string& path, const fb::Arg& arg, const fb::Program& program, const fb::Engine& plan) {
  switch (arg.kind()) {
    case fb::ArgKind::Slot:
      LLMC_TRY(checkIndex(path + ".index", arg.index(), program.slots()->size()));
      return checkIndex(path + ".offset", arg.offset(), program.slots()->Get(arg.index())->bytes());
    case fb::ArgKind::Weight:
      LLMC_TRY(checkIndex(path + ".index", arg.index(), plan.weights()->size()));
      if (arg.offset() % kArenaAlignment != 0) return wrong(path + ".offset", arg.offset(), "a multiple of 64");
      return checkIndex(path + ".offset", arg.offset(), plan.weights()->Get(arg.index())->size());
    case fb::ArgKind::Kv:
      LLMC_TRY(checkIndex(path + ".index", arg.index(), 1));
      if (arg.offset() % plan.kv()->layer_bytes() != 0)
        return wrong(path + ".offset", arg.offset(),
                     "a multiple of kv.layer_bytes, " + std::to_string(plan.kv()->layer_bytes()));
      return checkIndex(path + ".offset", arg.offset(), plan.kv()->page_bytes());
    case fb::ArgKind::Batch:
      LLMC_TRY(checkIndex(path + ".index", arg.index(), 1));
      return checkIndex(path + ".offset", arg.offset(), 1);
  }
  return wrong(path + ".kind", static_cast<uint64_t>(arg.kind()), "0 to 3");
}

Status checkLaunch(const std::string& path, const fb::Launch& launch, const fb::Program& program,
                   const fb::Engine& plan) {
  LLMC_TRY(checkIndex(path + ".kernel", launch.kernel(), plan.kernels()->size()));
  uint32_t wanted = plan.kernels()->Get(launch.kernel())->args();
  if (launch.args()->size() != wanted)
    return wrong(path + ".args.size", launch.args()->size(),
                 std::to_string(wanted) + ", as kernels[" + std::to_string(launch.kernel()) + "].args");
  if (launch.layer() < -1 || launch.layer() >= static_cast<int64_t>(plan.model()->layers()))
    return engineError("EN_SEMANTIC", path + ".layer is " + std::to_string(launch.layer()) + ", must be -1 or below " +
                                          std::to_string(plan.model()->layers()));
  for (uint32_t i = 0; i < launch.args()->size(); ++i)
    LLMC_TRY(checkArg(at(path, "args", i), *launch.args()->Get(i), program, plan));
  return Status::ok();
}

/// A slot for rows of so many bytes.
Status checkRowSlot(const std::string& path, const fb::Slot& slot, uint64_t bytes) {
  const uint64_t row = rowStrideBytes(bytes);
  if (slot.unit() != fb::Unit::Row || slot.bytes() < row)
    return engineError("EN_PLAN", path + " has " + std::to_string(slot.bytes()) + " bytes a unit, must have " +
                                      std::to_string(row) + " a row");
  return Status::ok();
}

Status checkLogits(const std::string& path, const fb::Program& program, const fb::Engine& plan) {
  LLMC_TRY(checkIndex(path + ".logits_slot", program.logits_slot(), program.slots()->size()));
  return checkRowSlot(path + ".logits_slot", *program.slots()->Get(program.logits_slot()),
                      uint64_t{4} * plan.model()->vocab_size());
}

/// Argmax slot and tile come together; a row holds two numbers a tile.
Status checkArgmax(const std::string& path, const fb::Program& program, const fb::Engine& plan) {
  if (program.argmax_slot() < 0)
    return program.argmax_slot() == -1 && program.argmax_tile() == 0
               ? Status::ok()
               : engineError("EN_PLAN", path + " has argmax_slot " + std::to_string(program.argmax_slot()) +
                                            " and argmax_tile " + std::to_string(program.argmax_tile()) +
                                            ", must have both or -1 and 0");
  const auto index = static_cast<uint32_t>(program.argmax_slot());
  LLMC_TRY(checkIndex(path + ".argmax_slot", index, program.slots()->size()));
  if (program.argmax_tile() == 0) return wrong(path + ".argmax_tile", 0, "at least 1", "EN_PLAN");
  if (index == program.logits_slot()) return wrong(path + ".argmax_slot", index, "another slot than logits_slot");
  return checkRowSlot(path + ".argmax_slot", *program.slots()->Get(index), uint64_t{8} * argmaxTiles(program, plan));
}

/// Tokens beside logits that are all kept.
Status checkSample(const std::string& path, const fb::Program& program, const fb::Engine& plan) {
  if (program.sample_slot() == -1) return Status::ok();
  if (program.sample_slot() < 0 || !isCuda(plan))
    return engineError("EN_PLAN", path + " has sample_slot " + std::to_string(program.sample_slot()) +
                                      ", must have -1, or a slot for target cuda");
  const auto index = static_cast<uint32_t>(program.sample_slot());
  LLMC_TRY(checkIndex(path + ".sample_slot", index, program.slots()->size()));
  if (index == program.logits_slot() || program.sample_slot() == program.argmax_slot())
    return wrong(path + ".sample_slot", index, "another slot than logits_slot and argmax_slot");
  return checkRowSlot(path + ".sample_slot", *program.slots()->Get(index), 4);
}

/// Slots whose values outlive the program, by the plan's field: the logits, and what is made of them.
std::vector<std::pair<const char*, uint32_t>> keptSlots(const fb::Program& program) {
  std::vector<std::pair<const char*, uint32_t>> kept = {{"logits_slot", program.logits_slot()}};
  for (const auto& [field, slot] :
       {std::pair{"argmax_slot", program.argmax_slot()}, {"sample_slot", program.sample_slot()}})
    if (slot >= 0) kept.emplace_back(field, static_cast<uint32_t>(slot));
  return kept;
}

/// Phases [first, last] in which a slot holds something; none before a launch names it.
struct SlotLife {
  uint32_t first = kNever, last = 0;
  static constexpr uint32_t kNever = UINT32_MAX;
};

/// As the compiler counts them (passes/SlotLife.h): from the first phase that names the slot to the last one, the
/// logits, their argmax and their tokens to the end of the program.
std::vector<SlotLife> slotLives(const fb::Program& program) {
  std::vector<SlotLife> lives(program.slots()->size());
  for (uint32_t phase = 0; phase < program.phases()->size(); ++phase)
    for (const fb::Launch* launch : *program.phases()->Get(phase)->launches())
      for (const fb::Arg* arg : *launch->args()) {
        if (arg->kind() != fb::ArgKind::Slot) continue;
        SlotLife& life = lives[arg->index()];
        if (life.first == SlotLife::kNever) life.first = phase;
        life.last = phase;
      }
  for (const auto& [field, slot] : keptSlots(program)) lives[slot].last = program.phases()->size();
  return lives;
}

Status sharedBytes(const std::string& path, const fb::Program& program, uint32_t phase, uint32_t a, uint32_t b) {
  auto range = [&](uint32_t i) {
    const fb::Slot& slot = *program.slots()->Get(i);
    return std::to_string(slot.offset()) + " to " + std::to_string(slot.offset() + slot.bytes());
  };
  return engineError("EN_PLAN", at(path, "slots", b) + " has bytes " + range(b) + " a unit, and slots[" +
                                    std::to_string(a) + "] has " + range(a) + ": both hold values in phases[" +
                                    std::to_string(phase) + "]");
}

/// No byte belongs to two slots in one phase. A region is its bytes a unit times one count for all of its slots, so
/// what is apart for one unit is apart for any T, S and worker count.
Status checkLives(const std::string& path, const fb::Program& program) {
  const std::vector<SlotLife> lives = slotLives(program);
  const uint32_t phases = program.phases()->size();
  const auto named = [&](const char* field, uint32_t index) {
    if (lives[index].first != SlotLife::kNever) return Status::ok();
    return engineError("EN_PLAN", path + "." + field + " is " + std::to_string(index) +
                                      ", a slot that some launch must write; none names it");
  };
  for (const auto& [field, slot] : keptSlots(program)) LLMC_TRY(named(field, slot));
  std::vector<std::vector<uint32_t>> born(phases), dying(phases + 1);
  for (uint32_t i = 0; i < lives.size(); ++i) {
    if (lives[i].first == SlotLife::kNever) continue;
    born[lives[i].first].push_back(i);
    dying[lives[i].last].push_back(i);
  }
  std::map<uint64_t, uint32_t> alive[kRegions];  // by offset; disjoint, so neighbours are all there is to compare with
  for (uint32_t phase = 0; phase < phases; ++phase) {
    for (uint32_t i : born[phase]) {
      const fb::Slot& slot = *program.slots()->Get(i);
      auto& region = alive[static_cast<size_t>(slot.unit())];
      auto [here, fresh] = region.emplace(slot.offset(), i);
      if (!fresh) return sharedBytes(path, program, phase, here->second, i);
      if (auto next = std::next(here); next != region.end() && next->first < slot.offset() + slot.bytes())
        return sharedBytes(path, program, phase, next->second, i);
      if (here == region.begin()) continue;
      const uint32_t before = std::prev(here)->second;
      const fb::Slot& other = *program.slots()->Get(before);
      if (other.offset() + other.bytes() > slot.offset()) return sharedBytes(path, program, phase, before, i);
    }
    for (uint32_t i : dying[phase]) {
      const fb::Slot& slot = *program.slots()->Get(i);
      alive[static_cast<size_t>(slot.unit())].erase(slot.offset());
    }
  }
  return Status::ok();
}

Status checkProgram(const std::string& path, const fb::Program& program, const fb::Engine& plan) {
  LLMC_TRY(checkRegions(path, program));
  constexpr auto kWorker = static_cast<uint32_t>(fb::Unit::Worker);
  if (isCuda(plan) && program.region_bytes()->Get(kWorker) != 0)
    return wrong(at(path, "region_bytes", kWorker), program.region_bytes()->Get(kWorker), "0 for target cuda",
                 "EN_PLAN");
  for (uint32_t i = 0; i < program.slots()->size(); ++i)
    LLMC_TRY(checkSlot(at(path, "slots", i), *program.slots()->Get(i), program));
  LLMC_TRY(checkLogits(path, program, plan));
  LLMC_TRY(checkArgmax(path, program, plan));
  LLMC_TRY(checkSample(path, program, plan));
  for (uint32_t i = 0; i < program.phases()->size(); ++i) {
    const fb::Phase& phase = *program.phases()->Get(i);
    std::string phasePath = at(path, "phases", i);
    for (uint32_t j = 0; j < phase.launches()->size(); ++j)
      LLMC_TRY(checkLaunch(at(phasePath, "launches", j), *phase.launches()->Get(j), program, plan));
  }
  return checkLives(path, program);
}

}  // namespace

Status checkBounds(const std::string& path, uint32_t count, const std::function<uint64_t(uint32_t)>& bound,
                   const char* field) {
  if (count == 0) return engineError("EN_SEMANTIC", path + " is empty");
  uint64_t previous = 0;
  for (uint32_t i = 0; i + 1 < count; ++i) {
    uint64_t value = bound(i);
    if (value <= previous || value > static_cast<uint64_t>(limits::kMaxTokensPerStep))
      return wrong(path + "[" + std::to_string(i) + "]." + field, value,
                   "above " + std::to_string(previous) + " and at most " + std::to_string(limits::kMaxTokensPerStep));
    previous = value;
  }
  if (bound(count - 1) != 0)
    return wrong(path + "[" + std::to_string(count - 1) + "]." + field, bound(count - 1),
                 "0, any size, in the last one");
  return Status::ok();
}

uint32_t argmaxTiles(const fb::Program& program, const fb::Engine& plan) {
  if (program.argmax_slot() < 0) return 0;
  const uint32_t tile = program.argmax_tile(), vocabulary = plan.model()->vocab_size();
  return vocabulary / tile + (vocabulary % tile != 0);
}

Status checkPrograms(const fb::Engine& plan) {
  if (isCuda(plan)) {
    LLMC_TRY(checkCudaPrograms(plan));
  } else {
    LLMC_TRY(checkBounds(
        "programs", plan.programs()->size(), [&](uint32_t i) { return plan.programs()->Get(i)->t_max(); }, "t_max"));
    for (uint32_t i = 0; i < plan.programs()->size(); ++i)
      if (uint32_t most = plan.programs()->Get(i)->q_max(); most != 0)
        return wrong("programs[" + std::to_string(i) + "].q_max", most, "0 for target cpu");
  }
  for (uint32_t i = 0; i < plan.programs()->size(); ++i)
    LLMC_TRY(checkProgram("programs[" + std::to_string(i) + "]", *plan.programs()->Get(i), plan));
  return Status::ok();
}

}  // namespace llmc::rt
