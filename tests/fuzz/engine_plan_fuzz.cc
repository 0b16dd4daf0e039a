// Fuzz target: the PLAN section of an engine whose digests are right. Whatever the flatbuffer holds, it is refused, or
// every slot lies in its region, two that are written in one phase share no byte, and no argument points outside.
#include <cstdint>
#include <cstdlib>
#include <cstring>
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

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t maxSize);

/// Starts from a valid plan: chance does not find one.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t maxSize, unsigned) {
  static const std::string valid = test::packPlan(test::tinyPlan());
  if (size >= 64 || valid.size() > maxSize) return LLVMFuzzerMutate(data, size, maxSize);
  std::memcpy(data, valid.data(), valid.size());
  return valid.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<SectionEntry> sections = [] {
    std::vector<SectionEntry> table;
    (void)test::tinyEngine([&](Header&, std::vector<SectionEntry>& entries) { table = entries; });
    return table;
  }();
  // As EngineFile::open does once the digests are right.
  if (size < 16) return 0;
  flatbuffers::Verifier verifier(data, size, limits::kFlatbufferDepth, limits::kFlatbufferTables);
  if (!fb::VerifyEngineBuffer(verifier)) return 0;
  const fb::Engine& plan = *fb::GetEngine(data);
  if (!checkPlan(plan, sections)) return 0;
  for (const auto* program : *plan.programs())
    for (const auto* phase : *program->phases()) checkPhase(plan, *program, *phase);
  return 0;
}
