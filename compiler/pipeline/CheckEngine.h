// What a build asks of the engine it has just written, before anyone else can see it.
#pragma once

#include "compiler/engine/WeightPacker.h"
#include "runtime/base/status.h"

#include <functional>
#include <string>
#include <vector>

namespace llmc {

/// Models above this many parameters get no golden tokens unless asked for: reading all weights once a token takes
/// longer than writing them.
inline constexpr uint64_t kSelftestParameters = 1'500'000'000;
inline constexpr uint32_t kSelftestTokens = 16;

/// Whether a matrix is stored in integers that the source does not hold exactly.
bool losesPrecision(const std::vector<WeightSpec> &specs, const RowSources &sources);

struct EngineCheck {
  std::string engine;              ///< file to run
  std::vector<std::string> levels; ///< of the engine, ascending
  std::string_view tokenizer;      ///< tokenizer.json; empty: none
  uint64_t parameters = 0;
  unsigned threads = 1;
};

/// A section's text or member, and a line for people; no content: it was left out for the reason in `shown`.
struct CheckResult {
  std::string content, shown;
};

/// SELFTEST: `tokens` golden tokens. Skipped when this machine runs none of the levels. Errors: those of a broken
/// engine.
rt::Result<CheckResult> checkTokens(const EngineCheck &check, uint32_t tokens);

/// Builds the unquantized engine for one level and returns the file, or why it cannot be had.
using BuildReference = std::function<rt::Result<std::string>(const std::string &level)>;

/// "quality" of PROVENANCE. Skipped when memory, disk or the tokenizer do not suffice. `freeBytes`: disk left for the
/// reference; `referenceBytes`: about what it takes. Errors: those of a broken engine.
rt::Result<CheckResult> checkQuality(const EngineCheck &check, uint64_t referenceBytes, uint64_t freeBytes,
                                     const BuildReference &buildReference);

/// Bytes of the sources of all matrices, each counted once: the weights of an unquantized engine.
uint64_t sourceBytes(const std::vector<WeightSpec> &specs, const RowSources &sources);

} // namespace llmc
