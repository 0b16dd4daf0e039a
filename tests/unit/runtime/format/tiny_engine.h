// Builds small valid engine files in memory, without the writer under test, and lets tests damage them at any level.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/format/engine_generated.h"
#include "runtime/format/layout.h"

namespace llmc::rt::test {

/// A plan with two levels, two weights, two kernels, two programs: every index and range is valid.
fb::EngineT tinyPlan();
/// The same for CUDA: cubins at level 0, PTX at level 1, programs that differ in q_max.
fb::EngineT tinyCudaPlan();
std::string packPlan(const fb::EngineT& plan);

/// Section indices of tinySections().
enum TinySection : uint32_t { kTinyPlan, kTinyCode0, kTinyCode1, kTinyWeights, kTinyTokenizer, kTinyCount };

struct TinyContent {
  SectionKind kind;
  std::string bytes;
  uint64_t alignment;
};
/// Code as the plan's target has it.
std::vector<TinyContent> tinySections(const fb::EngineT& plan);

/// Sections of an engine for both targets: those of `cpu`, then plan, code and weights of `cuda` at the tiny indices +
/// kTinyCount, then an explanation of each. The plans come with the indices of tinySections().
std::vector<TinyContent> tinySectionsOfBoth(const fb::EngineT& cpu, fb::EngineT cuda);
/// The feature that they need, for assemble().
void markSeveralTargets(Header& header, std::vector<SectionEntry>& table);

/// Lays the sections out, digests everything. `edit` may change header and table before they are digested.
using HeadEdit = std::function<void(Header&, std::vector<SectionEntry>&)>;
std::string assemble(const std::vector<TinyContent>& sections, const HeadEdit& edit = {});
std::string tinyEngine(const HeadEdit& edit = {});

/// A file in a fresh folder of its own, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes);
  ~TemporaryFile();
  void write(std::string_view bytes) const;
  const std::string& path() const { return path_; }

 private:
  std::string folder_, path_;
};

}  // namespace llmc::rt::test
