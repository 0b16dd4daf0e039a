// A model on its way to one target: IR, machine code, and the sections of an engine that are this target's alone.
#pragma once

#include "compiler/engine/EngineWriter.h"
#include "compiler/engine/WeightPacker.h"
#include "compiler/import/ImportedModel.h"
#include "compiler/pipeline/BuildEngine.h"
#include "compiler/pipeline/CompileKernels.h"
#include "compiler/pipeline/Progress.h"
#include "dialects/Plan/PlanDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

namespace llmc {

/// Belongs to one thread. Keeps the model's files open as long as it lives.
class TargetBuild {
public:
  /// For the CPU levels of `options`, or for its CUDA architectures when there are any. `progress` outlives it;
  /// `prefix` is put before the names of its phases.
  TargetBuild(const BuildOptions &options, Progress &progress, std::string prefix);

  /// Up to the plan, or to where the user wants to stop.
  rt::Status compile();

  /// WEIGHTS. Requires: compile() got as far as the plan.
  rt::Status writeWeights(EngineWriter &writer);
  /// Machine code; of files, it writes nothing but dumps. Requires: compile() got as far as the plan.
  rt::Status generate();
  /// CODE and PLAN. Requires: writeWeights() and generate().
  rt::Status writeProgram(EngineWriter &writer);
  /// TOKENIZER, TEMPLATE and DEFAULTS, which do not depend on the target.
  rt::Status writeTexts(EngineWriter &writer) const;
  /// EXPLAIN: fusions, refusals, and the configuration of each kernel.
  rt::Status writeExplanation(EngineWriter &writer) const;

  const BuildOptions &options() const { return options_; }
  bool cuda() const { return !options_.cudaArchs.empty(); }
  const ImportedModel &model() const { return model_; }
  /// In the order of the plan's weights. Requires: compile().
  std::vector<WeightSpec> specs();
  uint64_t parameters();
  /// What was fused and what was not, a line each.
  std::string remarks();
  /// Of what is there so far; `quality` is left to the caller.
  TargetSummary summary();

private:
  rt::Status import();
  rt::Status passes(const char *name, Phase phase);
  void warnOfActivations(llvm::StringRef wanted);
  rt::Status dump(const char *name);
  rt::Status dumpLast(const char *name);
  rt::Status dumpModule(const char *name);
  void describeModel();
  void describeMemory(plan::EngineOp engine);
  rt::Result<uint32_t> writeCode(EngineWriter &writer, std::string_view code) const;
  void phase(const char *name) { progress_.phase(prefix_ + name); }

  BuildOptions options_;
  Progress &progress_;
  std::string prefix_;
  /// One thread: the passes take milliseconds; kernels are compiled by as many threads as were asked for.
  mlir::MLIRContext context_{mlir::MLIRContext::Threading::DISABLED};
  ImportedModel model_;
  mlir::OwningOpRef<mlir::ModuleOp> module_;
  std::vector<PackedWeight> places_;
  uint32_t weightsSection_ = 0;
  CompiledKernels kernels_;
  std::vector<std::string> remarks_;
  TargetSummary summary_;
};

/// A section, or none when there is nothing to say.
rt::Status addText(EngineWriter &writer, rt::SectionKind kind, const std::string &text);

} // namespace llmc
