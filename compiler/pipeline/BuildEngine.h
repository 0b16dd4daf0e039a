// A whole build: import, passes, kernels, plan, packing, one file.
#pragma once

#include "compiler/engine/WeightPacker.h"
#include "compiler/pipeline/Phases.h"
#include "runtime/base/status.h"
#include <optional>
#include <string>
#include <vector>

namespace llmc {

struct BuildOptions {
  std::string model, output;
  PassOptions passes;
  std::vector<std::string> levels;    ///< of the CPU, names, ascending
  std::vector<std::string> cudaArchs; ///< "sm_90a", ascending: build for CUDA; empty: for the CPU
  bool bothTargets = false;           ///< with cudaArchs: for the CPU, too, in one file
  unsigned jobs = 1;
  Phase stopAfter = Phase::Engine;
  std::string remarks;                    ///< file, "-" for stderr, empty: none
  std::optional<bool> quality;            ///< measure quantized engines against the unquantized model; none: if small
  std::optional<uint32_t> selftestTokens; ///< golden tokens; nothing: 16, none above 1.5e9 parameters; 0: none
  bool noWeights = false;                 ///< room for the weights and none in it: for measuring speed
  bool force = false, quiet = false, verbose = false;
};

/// Members of PROVENANCE with the quality of an engine for one target, or for the CPU of two; for CUDA of two.
inline constexpr const char *kQuality = "quality", *kCudaQuality = "quality_cuda";

/// What the build tells of one target.
struct TargetSummary {
  std::vector<std::string> archs; ///< of CUDA; empty: the CPU
  uint64_t weightBytes = 0, codeBytes = 0;
  double codegenSeconds = 0;
  PackSeconds packing;
  size_t kernels = 0, variants = 0, levels = 0;
  uint64_t kvBytesPerToken = 0;
  std::string memoryFormula;
  std::string quality; ///< lines for people: the figures, or why there are none; empty: nothing was quantized
};

/// What the build tells at its end.
struct BuildSummary {
  std::vector<TargetSummary> targets;
  uint64_t fileBytes = 0;
  double seconds = 0, codegenSeconds = 0;
  uint64_t peakBytes = 0; ///< resident memory of this process at its highest
  std::string selftest;   ///< of the golden tokens: how many, or why there are none
};

/// Builds `options.model` into `options.output`. Progress goes to stderr unless quiet. Nothing is left behind on
/// failure.
rt::Result<BuildSummary> buildEngine(const BuildOptions &options);

/// SIGINT, SIGTERM and SIGHUP remove the unfinished output and end the process with 128 + their number.
void installBuildSignalHandlers();

} // namespace llmc
