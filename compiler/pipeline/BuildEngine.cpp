// The build, phase by phase.
#include "compiler/pipeline/BuildEngine.h"

#include "compiler/import/ImportedModel.h"
#include "compiler/graph/ModelBuilder.h"
#include "compiler/pipeline/BuildOutputs.h"
#include "compiler/pipeline/CheckEngine.h"
#include "compiler/pipeline/CompileKernels.h"
#include "compiler/pipeline/ExplainJson.h"
#include "compiler/pipeline/GenerateCode.h"
#include "compiler/pipeline/ModelFacts.h"
#include "compiler/pipeline/Progress.h"
#include "compiler/pipeline/SerializePlan.h"
#include "compiler/pipeline/UnfinishedEngine.h"
#include "compiler/pipeline/WeightSpecs.h"
#include "compiler/quality/CheckTexts.h"
#include "compiler/quality/EngineRun.h"
#include "compiler/quality/MeasureQuality.h"
#include "passes/Passes.h"
#include "passes/Target.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <filesystem>
#include <sys/resource.h>

namespace llmc {

using namespace mlir;

namespace {

class Build {
public:
  explicit Build(const BuildOptions &options) : options_(options), progress_(options.quiet) {}

  rt::Result<BuildSummary> run() {
    LLMC_TRY(prepare());
    rt::Status built = dumpFolder_.afterDumping(compile());
    if (built && options_.stopAfter == Phase::Engine)
      built = write();
    else if (built && remarksFile_.isOpen())
      built = remarksFile_.write(remarksText());
    if (built)
      return done();
    dumpFolder_.removeEmpty();
    return built;
  }

  /// The same engine as a file that vanishes with the result; nothing is written to `output` itself.
  rt::Result<std::unique_ptr<UnfinishedEngine>> runUnfinished() {
    LLMC_TRY(compile());
    auto specs = weightSpecs(*module_, model_.config.maxPositions);
    auto file = UnfinishedEngine::create(options_.output, options_.force);
    if (file)
      LLMC_TRY(writeRunnable((*file)->writer(), specs));
    return file;
  }

private:
  /// All that can be said of the outputs before the work.
  rt::Status prepare() {
    const std::string &dumps = options_.passes.dumpDir, &remarks = options_.remarks;
    bool writesRemarks = !remarks.empty() && remarks != "-";
    if (options_.stopAfter == Phase::Engine) {
      LLMC_TRY(checkNotInput("output", options_.output, options_.model));
      LLMC_TRY(EngineWriter::checkOutput(options_.output, options_.force));
      if (writesRemarks)
        LLMC_TRY(checkDiffer(remarks, options_.output));
    }
    if (writesRemarks) {
      LLMC_TRY(checkNotInput("--remarks", remarks, options_.model));
      LLMC_TRY(remarksFile_.open(remarks));
    }
    if (cuda() && options_.stopAfter == Phase::Engine)
      if (auto nvrtc = Nvrtc::load(); !nvrtc)
        return nvrtc.takeStatus();
    std::vector<std::string> levels;
    for (const Level &level : cpuLevels())
      levels.push_back(level.name.str());
    return dumpFolder_.prepare(dumps, levels, options_.force);
  }

  /// Up to the plan, or to where the user wants to stop.
  rt::Status compile() {
    LLMC_TRY(import());
    LLMC_TRY(dump("import.mlir"));
    for (auto [name, phase] : {std::pair{"graph passes", Phase::Graph}, std::pair{"kernel passes", Phase::Kernels},
                               std::pair{"plan passes", Phase::Plan}}) {
      if (options_.stopAfter < phase)
        return dumpLast(options_.stopAfter == Phase::Import  ? "import.mlir"
                        : options_.stopAfter == Phase::Graph ? "graph.mlir"
                                                             : "kernels.mlir");
      if (phase == Phase::Plan) {
        if (!cuda())
          assignScratch(*module_, kDecodeTokens);
        describeModel();
      }
      LLMC_TRY(passes(name, phase));
    }
    return options_.stopAfter < Phase::Engine ? dumpLast("plan.mlir") : rt::Status::ok();
  }

  rt::Status import() {
    progress_.phase("import");
    auto model = importModel(options_.model);
    if (!model)
      return model.takeStatus();
    model_ = model.take();
    LLMC_TRY(checkTexts(model_.tokenizerJson, model_.chatTemplate, model_.templatePlace, model_.warnings));
    if (!options_.quiet)
      for (const std::string &warning : model_.warnings)
        llvm::errs() << "warning: " << warning << "\n";
    context_.loadDialect<llm::LLMDialect, kern::KernDialect, plan::PlanDialect, func::FuncDialect>();
    auto module = buildModel(&context_, model_);
    if (!module)
      return module.takeStatus();
    module_ = module.take();
    if (cuda())
      (*module_)->setAttr(kTargetAttr, StringAttr::get(&context_, "cuda"));
    return rt::Status::ok();
  }

  rt::Status passes(const char *name, Phase phase) {
    progress_.phase(name);
    LLMC_TRY(runPhase(*module_, phase, options_.passes, remarks_));
    if (phase == Phase::Graph && !cuda() && !options_.quiet)
      warnOfActivations(options_.passes.activations);
    return rt::Status::ok();
  }

  bool cuda() const { return !options_.cudaArchs.empty(); }

  void warnOfActivations(llvm::StringRef wanted) {
    if ((wanted == "int8" || wanted == "bf16") && productInputs(*module_) != wanted)
      llvm::errs() << "warning: --activations " << wanted << " has no effect: no matrix has "
                   << (wanted == "int8" ? "integer" : "bf16") << " weights, so all products stay f32"
                   << (wanted == "int8" ? " (--quant w8 or w4 makes integer weights)\n" : "\n");
  }

  rt::Status dump(const char *name) {
    return options_.passes.printAfter == "all" ? dumpModule(name) : rt::Status::ok();
  }

  /// The IR where the user stopped, when no other was asked for.
  rt::Status dumpLast(const char *name) {
    const PassOptions &passes = options_.passes;
    return passes.printAfter.empty() && passes.printBefore.empty() ? dumpModule(name) : rt::Status::ok();
  }

  rt::Status dumpModule(const char *name) {
    if (options_.passes.dumpDir.empty())
      return rt::Status::ok();
    std::string text;
    llvm::raw_string_ostream(text) << *module_;
    return dumpText(options_.passes, name, text);
  }

  /// Facts that plan-build copies into the plan.
  void describeModel() {
    Builder builder(&context_);
    const std::vector<std::string> names = levelNames(options_);
    llvm::SmallVector<llvm::StringRef> levels(names.begin(), names.end());
    std::string activations = productInputs(*module_);
    if (cuda())
      activations = options_.passes.scheme == "fp8" ? "e4m3" : "bf16";
    (*module_)->setAttr(kModelAttr, modelFacts(*module_, model_, options_.model, activations));
    (*module_)->setAttr(kLevelsAttr, builder.getStrArrayAttr(levels));
  }

  rt::Status generate() {
    progress_.phase("code generation");
    double from = progress_.seconds();
    auto kernels = generateCode(*module_, options_, [&](size_t done, size_t total) { progress_.advance(done, total); });
    if (!kernels)
      return dumpFolder_.afterDumping(kernels.takeStatus());
    kernels_ = kernels.take();
    summary_.codegenSeconds = progress_.seconds() - from;
    summary_.variants = kernels_.variants.size();
    const auto sections = kernels_.codeSections();
    summary_.levels = sections.size();
    for (std::string_view code : sections)
      summary_.codeBytes += code.size();
    return rt::Status::ok();
  }

  rt::Status write() {
    auto specs = weightSpecs(*module_, model_.config.maxPositions);
    auto file = UnfinishedEngine::create(options_.output, options_.force);
    if (!file)
      return file.takeStatus();
    EngineWriter &writer = (*file)->writer();
    LLMC_TRY(writeRunnable(writer, specs));
    std::string selftest;
    LLMC_TRY(check(writer, specs, selftest));
    progress_.phase("writing");
    LLMC_TRY(addText(writer, rt::SectionKind::kProvenance, model_.provenanceJson));
    LLMC_TRY(addText(writer, rt::SectionKind::kSelftest, selftest));
    if (remarksFile_.isOpen()) // before the engine is there: a build that fails leaves none
      LLMC_TRY(remarksFile_.write(remarksText()));
    dumpFolder_.keep();
    return writer.finish();
  }

  /// Runs the engine while it is still unfinished: golden tokens to `selftest`, quality to the model's provenance.
  rt::Status check(EngineWriter &writer, const std::vector<WeightSpec> &specs, std::string &selftest) {
    if (options_.noWeights)
      return summary_.quality = "weights: none, room for them (llmc-run --bench --random-weights)", rt::Status::ok();
    auto facts = (*module_)->getAttrOfType<DictionaryAttr>(kModelAttr);
    EngineCheck check{"", options_.levels, model_.tokenizerJson, 0, options_.jobs};
    if (auto parameters = facts ? facts.getAs<IntegerAttr>("parameters") : IntegerAttr())
      check.parameters = static_cast<uint64_t>(parameters.getInt());
    bool big = check.parameters > kSelftestParameters;
    uint32_t tokens = options_.selftestTokens.value_or(big || cuda() ? 0 : kSelftestTokens);
    bool measure = losesPrecision(specs, CheckpointRows(*model_.checkpoint)), wanted = options_.quality.value_or(!big);
    if (tokens == 0)
      summary_.selftest = std::string("golden tokens: none") + (cuda() ? ", they would need a CUDA device"
                                                                : big  ? " above 1.5e9 parameters (--selftest-tokens N)"
                                                                       : "");
    if (measure && !wanted)
      summary_.quality = options_.quality ? "quality: skipped, --quality off"
                                          : "quality: not measured above 1.5e9 parameters (--quality on)";
    measure = measure && wanted;
    if (tokens == 0 && !measure)
      return rt::Status::ok();
    auto preview = writer.beginPreview();
    if (!preview)
      return preview.takeStatus();
    check.engine = *preview;
    if (tokens > 0)
      LLMC_TRY(runSelftest(check, tokens, selftest));
    if (measure)
      LLMC_TRY(runQuality(check, specs));
    return writer.endPreview();
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

  rt::Status runQuality(const EngineCheck &check, const std::vector<WeightSpec> &specs) {
    progress_.phase("unquantized engine");
    std::unique_ptr<UnfinishedEngine> reference;
    auto build = [&](const std::string &level) -> rt::Result<std::string> {
      LLMC_TRY(buildForCpu(level, {}, reference));
      progress_.phase("quality");
      return reference->writer().beginPreview();
    };
    auto space = std::filesystem::space(std::filesystem::absolute(options_.output).parent_path(), ignored_);
    EngineCheck checked = check;
    std::unique_ptr<UnfinishedEngine> twin;
    if (auto level = lowestRunnableLevel(options_.levels); cuda() && level) {
      PassOptions same;
      same.scheme = options_.passes.scheme, same.groupSize = options_.passes.groupSize;
      LLMC_TRY(buildForCpu(*level, same, twin));
      auto preview = twin->writer().beginPreview();
      if (!preview)
        return preview.takeStatus();
      checked.engine = *preview;
      checked.levels = {*level};
    }
    auto result = checkQuality(checked, sourceBytes(specs, CheckpointRows(*model_.checkpoint)), space.available, build);
    if (!result)
      return result.takeStatus();
    summary_.quality =
        result->shown + (!twin ? ""
                         : options_.passes.scheme == "fp8"
                             ? "\n  of weights and activations rounded to e4m3, multiplied by this CPU in f32"
                             : "\n  of the weights, multiplied by this CPU in f32; not of the device's bf16");
    if (!result->content.empty())
      model_.provenanceJson = withQuality(model_.provenanceJson, result->content);
    return rt::Status::ok();
  }

  /// The model with its weights stored as `passes` say, f32 activations, one level of the CPU.
  rt::Status buildForCpu(const std::string &level, const PassOptions &passes, std::unique_ptr<UnfinishedEngine> &file) {
    BuildOptions options = options_;
    options.passes = passes;
    options.passes.activations = "f32";
    options.levels = {level};
    options.cudaArchs.clear();
    options.remarks.clear();
    options.quiet = true;
    auto built = Build(options).runUnfinished();
    if (!built)
      return built.takeStatus();
    file = built.take();
    return rt::Status::ok();
  }

  /// Every section that running needs. The weights come first: a damaged model is found before code is made for it.
  rt::Status writeRunnable(EngineWriter &writer, const std::vector<WeightSpec> &specs) {
    progress_.phase("packing weights");
    auto places = placeWeights(specs);
    if (!places)
      return places.takeStatus();
    PackOptions pack;
    pack.threads = options_.jobs;
    pack.seconds = &summary_.packing;
    pack.progress = [&](uint64_t done, uint64_t total) {
      progress_.advance(done, total);
      return true;
    };
    auto weights = options_.noWeights ? leaveRoomForWeights(specs, writer)
                                      : packWeights(specs, CheckpointRows(*model_.checkpoint), writer, pack);
    if (!weights)
      return weights.takeStatus();
    PlanSections sections;
    sections.weights = *weights;
    LLMC_TRY(generate());
    for (std::string_view code : kernels_.codeSections()) {
      auto index = writer.addSection(rt::SectionKind::kCode, code);
      if (!index)
        return index.takeStatus();
      sections.code.push_back(*index);
    }
    if (!places->empty())
      summary_.weightBytes = places->back().offset + places->back().size;
    auto engine = *module_->getOps<plan::EngineOp>().begin();
    auto plan = serializePlan(engine, *module_, *places, kernels_, sections);
    if (!plan)
      return plan.takeStatus();
    LLMC_TRY(addText(writer, rt::SectionKind::kPlan, *plan));
    LLMC_TRY(addText(writer, rt::SectionKind::kTokenizer, model_.tokenizerJson));
    LLMC_TRY(addText(writer, rt::SectionKind::kTemplate, model_.chatTemplate));
    LLMC_TRY(addText(writer, rt::SectionKind::kDefaults, model_.defaultsJson));
    return addText(writer, rt::SectionKind::kExplain, explainJson(*module_, kernels_, remarks_));
  }

  /// A section, or none when there is nothing to say.
  static rt::Status addText(EngineWriter &writer, rt::SectionKind kind, const std::string &text) {
    if (text.empty())
      return rt::Status::ok();
    auto index = writer.addSection(kind, text);
    return index ? rt::Status::ok() : index.takeStatus();
  }

  std::string remarksText() {
    std::string text;
    for (auto kernel : module_->getOps<kern::FuncOp>())
      text += fusedRemark(kernel);
    for (const std::string &remark : remarks_)
      text += remark + "\n";
    return text;
  }

  rt::Result<BuildSummary> done() {
    progress_.finish();
    if (options_.remarks == "-")
      llvm::errs() << remarksText();
    auto engines = module_->getOps<plan::EngineOp>();
    if (!engines.empty())
      describeMemory(*engines.begin());
    uint64_t size = 0;
    if (options_.stopAfter == Phase::Engine && !llvm::sys::fs::file_size(options_.output, size))
      summary_.fileBytes = size;
    summary_.seconds = progress_.seconds();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    summary_.peakBytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
    return summary_;
  }

  void describeMemory(plan::EngineOp engine) {
    summary_.kvBytesPerToken = engine.getPageBytes() / engine.getPageTokens();
    auto kernels = engine.getBlock().getOps<plan::KernelOp>();
    summary_.kernels = std::distance(kernels.begin(), kernels.end());
    for (auto program : engine.getBlock().getOps<plan::ProgramOp>()) {
      auto regions = program.getRegionBytes();
      summary_.memoryFormula += (summary_.memoryFormula.empty() ? "" : "; ") + program.getSymName().str() + ": " +
                                std::to_string(regions[0]) + " + " + std::to_string(regions[1]) + " (T+16) + " +
                                std::to_string(regions[2]) + " (S+16) + " + std::to_string(regions[3]) + " workers";
    }
  }

  const BuildOptions &options_;
  Progress progress_;
  MLIRContext context_;
  ImportedModel model_;
  OwningOpRef<ModuleOp> module_;
  CompiledKernels kernels_;
  std::vector<std::string> remarks_;
  LateFile remarksFile_;
  DumpFolder dumpFolder_;
  BuildSummary summary_;
  std::error_code ignored_; ///< of questions whose failure reads as "none"
};

} // namespace

rt::Result<BuildSummary> buildEngine(const BuildOptions &options) { return Build(options).run(); }

} // namespace llmc
