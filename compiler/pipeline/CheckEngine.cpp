// Reasons to leave a check out, and the calls into compiler/quality.
#include "compiler/pipeline/CheckEngine.h"

#include "codegen/registry/PackedLayout.h"
#include "compiler/engine/PanelPacker.h"
#include "compiler/quality/EngineRun.h"
#include "compiler/quality/GoldenTokens.h"
#include "compiler/quality/MeasureQuality.h"
#include "runtime/device/machine_memory.h"
#include "runtime/device/memory.h"

namespace llmc {

/// Calls `visit` for each source tensor of each packed weight.
static void eachSource(const std::vector<WeightSpec> &specs, const RowSources &sources,
                       const std::function<void(const WeightSpec &, const RowSource &)> &visit) {
  for (const WeightSpec &spec : specs)
    for (const WeightSource &source : spec.sources)
      if (auto tensor = sources.open(source.tensor))
        visit(spec, **tensor);
}

bool losesPrecision(const std::vector<WeightSpec> &specs, const RowSources &sources) {
  bool loses = false;
  eachSource(specs, sources, [&](const WeightSpec &spec, const RowSource &source) {
    loses =
        loses || spec.e4m3 || (isQuantized(spec.layout) && !repacksExactly(spec.layout, source.storage(), spec.group));
  });
  return loses;
}

uint64_t sourceBytes(const std::vector<WeightSpec> &specs, const RowSources &sources) {
  uint64_t bytes = 0;
  eachSource(specs, sources, [&](const WeightSpec &, const RowSource &source) {
    bytes += static_cast<uint64_t>(source.rows() * storedRowBytes(source.storage(), source.cols()));
  });
  return bytes;
}

/// Failures of this machine, not of the engine: the check is left out, the build goes on.
static bool excused(const rt::Status &status) {
  return status.kind() != rt::ErrorKind::kInternal && status.kind() != rt::ErrorKind::kDeviceFault;
}

static std::string noLevel() { return "this machine runs none of the levels"; }

rt::Result<CheckResult> checkTokens(const EngineCheck &check, uint32_t tokens) {
  auto level = lowestRunnableLevel(check.levels);
  if (!level)
    return CheckResult{"", "golden tokens: skipped, " + noLevel()};
  auto golden = goldenTokens(check.engine, {*level, tokens, check.threads, check.tokenizer});
  if (!golden && excused(golden.status()))
    return CheckResult{"", "golden tokens: skipped, " + golden.status().message()};
  if (!golden)
    return golden.takeStatus();
  return CheckResult{golden.take(), "golden tokens: " + std::to_string(tokens) + " stored (llmc-run --selftest)"};
}

static std::string skipReason(const EngineCheck &check, uint64_t referenceBytes, uint64_t freeBytes) {
  if (check.tokenizer.empty())
    return "the model has no tokenizer";
  auto lacking = [](const char *what, uint64_t need, uint64_t have) {
    return std::string(what) + ": the comparison takes about " + rt::formatBytes(need) + ", " + rt::formatBytes(have) +
           " are free";
  };
  if (uint64_t need = referenceBytes + referenceBytes / 8; freeBytes < need)
    return lacking("disk space", need, freeBytes);
  // Both engines are walked again and again: reading them from the disk each time would take hours.
  uint64_t memory = rt::availableMemoryBytes();
  if (uint64_t need = referenceBytes + referenceBytes / 2; memory < need)
    return lacking("memory", need, memory);
  return "";
}

rt::Result<CheckResult> checkQuality(const EngineCheck &check, uint64_t referenceBytes, uint64_t freeBytes,
                                     const BuildReference &buildReference) {
  auto skipped = [](const std::string &why) { return CheckResult{"", "quality: skipped, " + why}; };
  auto level = lowestRunnableLevel(check.levels);
  if (!level)
    return skipped(noLevel());
  if (std::string why = skipReason(check, referenceBytes, freeBytes); !why.empty())
    return skipped(why);
  auto reference = buildReference(*level);
  if (!reference && excused(reference.status()))
    return skipped("the unquantized engine could not be built: " + reference.status().message());
  if (!reference)
    return reference.takeStatus();
  auto quality = measureQuality({check.engine, *reference, *level, check.tokenizer, check.threads});
  if (!quality && excused(quality.status()))
    return skipped(quality.status().message());
  if (!quality)
    return quality.takeStatus();
  return CheckResult{qualityJson(*quality), qualityText(*quality)};
}

} // namespace llmc
