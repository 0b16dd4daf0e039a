// Fuzz target: the PLAN section of an engine whose digests are right. Whatever the flatbuffer holds, it is refused, or
// every slot lies in its region, two that are written in one phase share no byte, and no argument points outside.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/base/checked.h"
#include "runtime/base/limits.h"
#include "runtime/format/semantic_check.h"
#include "tests/unit/runtime/format/tiny_engine.h"

namespace {

using namespace llmc::rt;
namespace fb = llmc::fb;

void require(bool holds) {
  if (!holds) std::abort();
}

bool apart(const fb::Slot& a, const fb::Slot& b) {
  return a.unit() != b.unit() || a.offset() + a.bytes() <= b.offset() || b.offset() + b.bytes() <= a.offset();
}

/// By pairs, unlike the reader.
void checkPhase(const fb::Engine& plan, const fb::Program& program, const fb::Phase& phase) {
  std::vector<uint32_t> slots;
  for (const auto* launch : *phase.launches())
    for (const auto* arg : *launch->args()) {
      if (arg->kind() == fb::ArgKind::Weight) require(arg->offset() < plan.weights()->Get(arg->index())->size());
      if (arg->kind() == fb::ArgKind::Slot) slots.push_back(arg->index());
    }
  for (uint32_t a : slots) {
    const fb::Slot& slot = *program.slots()->Get(a);
    require(rangeInside(slot.offset(), slot.bytes(), program.region_bytes()->Get(static_cast<uint32_t>(slot.unit()))));
    for (uint32_t b : slots) require(a == b || apart(slot, *program.slots()->Get(b)));
  }
}

template <typename T>
T& anyOf(std::vector<std::unique_ptr<T>>& list, std::mt19937& random) {
  return *list[random() % list.size()];
}

/// One change that keeps the plan well-formed, mostly to what means something else.
void change(fb::EngineT& plan, std::mt19937& random) {
  fb::ProgramT& program = anyOf(plan.programs, random);
  if (program.slots.empty() || program.phases.empty()) return;
  fb::SlotT& slot = anyOf(program.slots, random);
  fb::PhaseT& phase = anyOf(program.phases, random);
  switch (random() % 6) {
    case 0:
      slot.unit = static_cast<fb::Unit>(random() % 5);
      break;
    case 1:
      slot.offset = 64 * (random() % 4);
      break;
    case 2:
      slot.bytes = 64 * (random() % 4);
      break;
    case 3:
      program.slots.push_back(std::make_unique<fb::SlotT>(slot));
      break;
    default: {
      if (phase.launches.empty()) return;
      auto launch = std::make_unique<fb::LaunchT>(anyOf(phase.launches, random));
      if (!launch->args.empty())
        anyOf(launch->args, random).index = static_cast<uint32_t>(random() % (program.slots.size() + 1));
      anyOf(program.phases, random).launches.push_back(std::move(launch));
    }
  }
}

bool wellFormed(const uint8_t* data, size_t size) {
  flatbuffers::Verifier verifier(data, size, limits::kFlatbufferDepth, limits::kFlatbufferTables);
  return size >= 16 && fb::VerifyEngineBuffer(verifier);
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t maxSize);

/// Starts from a valid plan, as chance does not find one; changes bytes or fields.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned seed) {
  std::mt19937 random(seed);
  const bool formed = wellFormed(data, size) && isAligned(*fb::GetEngine(data));
  if (formed && random() % 2 == 0) return LLVMFuzzerMutate(data, size, maxSize);
  fb::EngineT plan = test::tinyPlan();
  if (formed) fb::GetEngine(data)->UnPackTo(&plan);
  if (!plan.programs.empty()) change(plan, random);
  const std::string packed = test::packPlan(plan);
  if (packed.size() > maxSize) return LLVMFuzzerMutate(data, size, maxSize);
  std::memcpy(data, packed.data(), packed.size());
  return packed.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<SectionEntry> sections = [] {
    std::vector<SectionEntry> table;
    (void)test::tinyEngine([&](Header&, std::vector<SectionEntry>& entries) { table = entries; });
    return table;
  }();
  // As EngineFile::open does once the digests are right.
  if (!wellFormed(data, size)) return 0;
  const fb::Engine& plan = *fb::GetEngine(data);
  if (!checkPlan(plan, sections)) return 0;
  for (const auto* program : *plan.programs())
    for (const auto* phase : *program->phases()) checkPhase(plan, *program, *phase);
  return 0;
}
