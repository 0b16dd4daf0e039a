// The build: every target, checks of what was made, one file.
#include "compiler/pipeline/BuildEngine.h"

#include "compiler/pipeline/BuildOutputs.h"
#include "compiler/pipeline/CheckEngine.h"
#include "compiler/pipeline/TargetBuild.h"
#include "compiler/pipeline/UnfinishedEngine.h"
#include "compiler/quality/EngineRun.h"
#include "compiler/quality/MeasureQuality.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <filesystem>
#include <sys/resource.h>

namespace llmc {

namespace {

class Build {
public:
  explicit Build(const BuildOptions &options) : options_(options), progress_(options.quiet) {}

  rt::Result<BuildSummary> run() {
    LLMC_TRY(prepare());
    rt::Status built = dumpFolder_.afterDumping(compile());
    if (built && remarksFile_.isOpen()) // all is said when the passes have run: a full disk is told before code is made
      built = remarksFile_.stage(remarksText());
    if (built && options_.stopAfter == Phase::Engine)
      built = write();
    else if (built && remarksFile_.isOpen())
      built = remarksFile_.write(remarksText());
    if (built)
      return done();
    dumpFolder_.removeEmpty();
    return built;
  }

private:
  /// All that can be said of the outputs before the work.
  rt::Status prepare() {
    const std::string &dumps = options_.passes.dumpDir, &remarks = options_.remarks, &tuning = options_.passes.tuning;
    bool writesRemarks = !remarks.empty() && remarks != "-";
    if (options_.stopAfter == Phase::Engine) {
      LLMC_TRY(checkNotInput("output", options_.output, options_.model));
      LLMC_TRY(checkNotInput("output", options_.output, tuning));
      LLMC_TRY(EngineWriter::checkOutput(options_.output, options_.force));
      if (writesRemarks)
        LLMC_TRY(checkDiffer(remarks, options_.output));
    }
    if (writesRemarks) {
      LLMC_TRY(checkNotInput("--remarks", remarks, options_.model));
      LLMC_TRY(checkNotInput("--remarks", remarks, tuning));
      LLMC_TRY(checkReplacesText("--remarks", remarks));
      LLMC_TRY(remarksFile_.open(remarks));
    }
    if (!options_.cudaArchs.empty() && options_.stopAfter == Phase::Engine)
      if (auto nvrtc = Nvrtc::load(); !nvrtc)
        return nvrtc.takeStatus();
    return dumpFolder_.prepare(dumps, dumpSubfolders(), options_.force);
  }

  /// All that a build may make in the dump folder, innermost first: those of the last build may be of other targets.
  static std::vector<std::string> dumpSubfolders() {
    std::vector<std::string> folders;
    for (const char *target : {"", "cpu/"})
      for (const Level &level : cpuLevels())
        folders.push_back(target + ("kernels-" + level.name.str()));
    folders.insert(folders.end(), {"cpu", "cuda"});
    return folders;
  }

  /// `options` for one of two targets, whose dumps have the same names.
  static BuildOptions forTarget(BuildOptions options, const char *name) {
    if (!options.passes.dumpDir.empty())
      options.passes.dumpDir += std::string("/") + name;
    return options;
  }

  /// The CPU first, as its plan comes first in the engine.
  rt::Status compile() {
    if (options_.bothTargets) {
      BuildOptions cpu = forTarget(options_, "cpu");
      cpu.cudaArchs.clear();
      targets_.push_back(std::make_unique<TargetBuild>(cpu, progress_, "cpu: "));
      LLMC_TRY(targets_.back()->compile());
    }
    BuildOptions rest = options_.bothTargets ? forTarget(options_, "cuda") : options_;
    if (options_.bothTargets)
      rest.quiet = true; // the model's warnings have been said
    targets_.push_back(std::make_unique<TargetBuild>(rest, progress_, options_.bothTargets ? "cuda: " : ""));
    return targets_.back()->compile();
  }

  rt::Status write() {
    auto file = UnfinishedEngine::create(options_.output, options_.force);
    if (!file)
      return file.takeStatus();
    EngineWriter &writer = (*file)->writer();
    LLMC_TRY(writeRunnable(writer));
    std::string selftest, provenance = targets_[0]->model().provenanceJson;
    if (!options_.cudaArchs.empty())
      if (auto nvrtc = Nvrtc::load())
        provenance = withFact(provenance, "nvrtc", "\"" + (*nvrtc)->version() + "\"");
    LLMC_TRY(check(writer, selftest, provenance));
    progress_.phase("writing");
    LLMC_TRY(addText(writer, rt::SectionKind::kProvenance, provenance));
    LLMC_TRY(addText(writer, rt::SectionKind::kSelftest, selftest));
    if (remarksFile_.isOpen()) // before the engine is there: a build that fails leaves none
      LLMC_TRY(remarksFile_.write(remarksText()));
    dumpFolder_.keep();
    return writer.finish();
  }

  /// Every section that running needs. The weights come first: a damaged model is found before code is made for it.
  rt::Status writeRunnable(EngineWriter &writer) {
    for (auto &target : targets_)
      LLMC_TRY(target->writeWeights(writer));
    for (auto &target : targets_) {
      LLMC_TRY(dumpFolder_.afterDumping(target->generate()));
      LLMC_TRY(target->writeProgram(writer));
    }
    LLMC_TRY(targets_[0]->writeTexts(writer));
    for (auto &target : targets_)
      LLMC_TRY(target->writeExplanation(writer));
    return rt::Status::ok();
  }

  /// Runs the engine while it is still unfinished: golden tokens to `selftest`, quality to `provenance`.
  rt::Status check(EngineWriter &writer, std::string &selftest, std::string &provenance) {
    TargetBuild &first = *targets_[0];
    quality_.resize(targets_.size());
    if (options_.noWeights)
      return quality_[0] = "weights: none, room for them (llmc-run --bench --random-weights)", rt::Status::ok();
    EngineCheck check{"", options_.levels, first.model().tokenizerJson, first.parameters(), options_.jobs};
    bool big = check.parameters > kSelftestParameters, cuda = first.cuda();
    uint32_t tokens = options_.selftestTokens.value_or(big || cuda ? 0 : kSelftestTokens);
    if (tokens == 0)
      summary_.selftest = std::string("golden tokens: none") + (cuda  ? ", they would need a CUDA device"
                                                                : big ? " above 1.5e9 parameters (--selftest-tokens N)"
                                                                      : "");
    std::vector<bool> measured;
    for (size_t i = 0; i < targets_.size(); ++i)
      measured.push_back(measures(*targets_[i], big, quality_[i]));
    if (tokens == 0 && llvm::none_of(measured, [](bool one) { return one; }))
      return rt::Status::ok();
    auto preview = writer.beginPreview();
    if (!preview)
      return preview.takeStatus();
    check.engine = *preview;
    if (tokens > 0)
      LLMC_TRY(runSelftest(check, tokens, selftest));
    for (size_t i = 0; i < targets_.size(); ++i)
      if (measured[i])
        LLMC_TRY(runQuality(check, *targets_[i], quality_[i], provenance));
    reference_.reset(); // its file goes before the output is complete
    return writer.endPreview();
  }

  /// Whether this target's weights are to be measured; if not and somebody may wonder, `shown` says why.
  bool measures(TargetBuild &target, bool big, std::string &shown) {
    if (!losesPrecision(target.specs(), CheckpointRows(*target.model().checkpoint)))
      return false;
    if (options_.quality.value_or(!big))
      return true;
    shown = options_.quality ? "quality: skipped, --quality off"
                             : "quality: not measured above 1.5e9 parameters (--quality on)";
    return false;
  }

  rt::Status runSelftest(const EngineCheck &check, uint32_t tokens, std::string &selftest) {
    progress_.phase("golden tokens");
    auto result = checkTokens(check, tokens);
    if (!result)
      return result.takeStatus();
    selftest = result->content;
    summary_.selftest = result->shown;
    return rt::Status::ok();
  }

  rt::Status runQuality(const EngineCheck &check, TargetBuild &target, std::string &shown, std::string &provenance) {
    progress_.phase("unquantized engine");
    auto build = [&](const std::string &level) -> rt::Result<std::string> {
      if (!reference_) {
        LLMC_TRY(buildForCpu(level, {}, reference_));
        auto preview = reference_->writer().beginPreview();
        if (!preview)
          return preview.takeStatus();
        referencePath_ = *preview;
      }
      progress_.phase("quality");
      return referencePath_;
    };
    auto space = std::filesystem::space(std::filesystem::absolute(options_.output).parent_path(), ignored_);
    EngineCheck checked = check;
    std::unique_ptr<UnfinishedEngine> twin;
    if (auto level = lowestRunnableLevel(options_.levels); target.cuda() && level) {
      PassOptions same;
      same.scheme = options_.passes.scheme, same.groupSize = options_.passes.groupSize;
      LLMC_TRY(buildForCpu(*level, same, twin));
      auto preview = twin->writer().beginPreview();
      if (!preview)
        return preview.takeStatus();
      checked.engine = *preview;
      checked.levels = {*level};
    }
    uint64_t bytes = sourceBytes(target.specs(), CheckpointRows(*target.model().checkpoint));
    auto result = checkQuality(checked, bytes, space.available, build);
    if (!result)
      return result.takeStatus();
    shown = result->shown + (!twin ? ""
                             : options_.passes.scheme == "fp8"
                                 ? "\n  of weights and activations rounded to e4m3, multiplied by this CPU in f32"
                                 : "\n  of the weights, multiplied by this CPU in f32; not of the device's bf16");
    if (!result->content.empty())
      provenance =
          withFact(provenance, target.cuda() && options_.bothTargets ? kCudaQuality : kQuality, result->content);
    return rt::Status::ok();
  }

  /// The model with its weights stored as `passes` say, f32 activations, one level of the CPU: a file that vanishes
  /// with `file`.
  rt::Status buildForCpu(const std::string &level, const PassOptions &passes, std::unique_ptr<UnfinishedEngine> &file) {
    BuildOptions options = options_;
    options.passes = passes;
    options.passes.activations = "f32";
    options.levels = {level};
    options.cudaArchs.clear();
    options.quiet = true;
    Progress silent(true);
    TargetBuild target(options, silent, "");
    LLMC_TRY(target.compile());
    auto created = UnfinishedEngine::create(options_.output, options_.force);
    if (!created)
      return created.takeStatus();
    file = created.take();
    LLMC_TRY(target.writeWeights(file->writer()));
    LLMC_TRY(target.generate());
    LLMC_TRY(target.writeProgram(file->writer()));
    LLMC_TRY(target.writeTexts(file->writer()));
    return target.writeExplanation(file->writer());
  }

  std::string remarksText() {
    std::string text;
    for (auto &target : targets_)
      text += (targets_.size() == 1 ? "" : target->cuda() ? "for cuda:\n" : "for the cpu:\n") + target->remarks();
    return text;
  }

  rt::Result<BuildSummary> done() {
    progress_.finish();
    if (options_.remarks == "-")
      llvm::errs() << remarksText();
    quality_.resize(targets_.size());
    for (size_t i = 0; i < targets_.size(); ++i) {
      summary_.targets.push_back(targets_[i]->summary());
      summary_.targets.back().quality = quality_[i];
      summary_.codegenSeconds += summary_.targets.back().codegenSeconds;
    }
    uint64_t size = 0;
    if (options_.stopAfter == Phase::Engine && !llvm::sys::fs::file_size(options_.output, size))
      summary_.fileBytes = size;
    summary_.seconds = progress_.seconds();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    summary_.peakBytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
    return summary_;
  }

  const BuildOptions &options_;
  Progress progress_;
  std::vector<std::unique_ptr<TargetBuild>> targets_; ///< in the order of the engine's plans
  std::vector<std::string> quality_;                  ///< of each, for people
  std::unique_ptr<UnfinishedEngine> reference_;       ///< the unquantized model, once it was needed
  std::string referencePath_;
  LateFile remarksFile_;
  DumpFolder dumpFolder_;
  BuildSummary summary_;
  std::error_code ignored_; ///< of questions whose failure reads as "none"
};

} // namespace

rt::Result<BuildSummary> buildEngine(const BuildOptions &options) { return Build(options).run(); }

} // namespace llmc
