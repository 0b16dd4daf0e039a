// The build, phase by phase.
#include "compiler/pipeline/BuildEngine.h"

#include "compiler/import/ImportedModel.h"
#include "compiler/models/ModelBuilder.h"
#include "compiler/pipeline/CompileKernels.h"
#include "compiler/pipeline/ExplainJson.h"
#include "compiler/pipeline/ModelFacts.h"
#include "compiler/pipeline/Progress.h"
#include "compiler/pipeline/SerializePlan.h"
#include "compiler/pipeline/WeightSpecs.h"
#include "passes/Passes.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <atomic>
#include <csignal>
#include <sys/resource.h>
#include <unistd.h>

namespace llmc {

using namespace mlir;

static std::atomic<EngineWriter *> currentWriter{nullptr};

static void onSignal(int signal) {
  if (EngineWriter *writer = currentWriter.load())
    writer->abort();
  _exit(128 + signal);
}

void installBuildSignalHandlers() {
  std::signal(SIGINT, onSignal);
  std::signal(SIGTERM, onSignal);
}

namespace {

class Build {
public:
  explicit Build(const BuildOptions &options) : options_(options), progress_(options.quiet) {}

  rt::Result<BuildSummary> run() {
    LLMC_TRY(import());
    LLMC_TRY(dump("import.mlir"));
    if (options_.stopAfter == Phase::Import)
      return done();
    LLMC_TRY(passes("graph passes", Phase::Graph));
    if (options_.stopAfter == Phase::Graph)
      return done();
    LLMC_TRY(passes("kernel passes", Phase::Kernels));
    if (options_.stopAfter == Phase::Kernels)
      return done();
    assignScratch(*module_, kDecodeTokens);
    describeModel();
    LLMC_TRY(passes("plan passes", Phase::Plan));
    if (options_.stopAfter == Phase::Plan)
      return done();
    LLMC_TRY(generate());
    LLMC_TRY(write());
    return done();
  }

private:
  rt::Status import() {
    progress_.phase("import");
    auto model = importModel(options_.model);
    if (!model)
      return model.takeStatus();
    model_ = model.take();
    if (!options_.quiet)
      for (const std::string &warning : model_.warnings)
        llvm::errs() << "warning: " << warning << "\n";
    context_.loadDialect<llm::LLMDialect, kern::KernDialect, plan::PlanDialect, func::FuncDialect>();
    auto module = buildModel(&context_, model_);
    if (!module)
      return module.takeStatus();
    module_ = module.take();
    return rt::Status::ok();
  }

  rt::Status passes(const char *name, Phase phase) {
    progress_.phase(name);
    return runPhase(*module_, phase, options_.passes, remarks_);
  }

  rt::Status dump(const char *name) {
    if (options_.passes.printAfter != "all" || options_.passes.dumpDir.empty())
      return rt::Status::ok();
    std::string text;
    llvm::raw_string_ostream(text) << *module_;
    return dumpText(options_.passes, name, text);
  }

  /// Facts that plan-build copies into the plan.
  void describeModel() {
    bool integers = false;
    module_->walk([&](llm::QuantizeOp) { integers = true; });
    Builder builder(&context_);
    llvm::SmallVector<llvm::StringRef> levels(options_.levels.begin(), options_.levels.end());
    (*module_)->setAttr(kModelAttr, modelFacts(*module_, model_, options_.model, integers ? "int8" : "f32"));
    (*module_)->setAttr(kLevelsAttr, builder.getStrArrayAttr(levels));
  }

  rt::Status generate() {
    progress_.phase("code generation");
    double from = progress_.seconds();
    CompileOptions compile;
    for (const std::string &name : options_.levels)
      compile.levels.push_back(findLevel(name));
    compile.threads = options_.jobs;
    compile.listings = !options_.passes.dumpDir.empty();
    compile.progress = [&](size_t done, size_t total) { progress_.advance(done, total); };
    auto kernels = compileKernels(*module_, compile);
    if (!kernels)
      return kernels.takeStatus();
    kernels_ = kernels.take();
    summary_.codegenSeconds = progress_.seconds() - from;
    summary_.variants = kernels_.variants.size();
    summary_.levels = kernels_.levels.size();
    for (const CodeImage &image : kernels_.images)
      summary_.codeBytes += image.bytes.size();
    return dumpListings();
  }

  rt::Status dumpListings() {
    if (options_.passes.dumpDir.empty())
      return rt::Status::ok();
    PassOptions where = options_.passes;
    for (size_t level = 0; level < kernels_.levels.size(); ++level) {
      where.dumpDir = options_.passes.dumpDir + "/kernels-" + kernels_.levels[level]->name.str();
      for (size_t i = 0; i < kernels_.variants.size(); ++i) {
        const KernelListing &listing = kernels_.listings[level][i];
        const std::string &symbol = kernels_.variants[i].symbol;
        LLMC_TRY(dumpText(where, symbol + ".mlir", listing.mlir));
        LLMC_TRY(dumpText(where, symbol + ".ll", listing.llvmIr));
        LLMC_TRY(dumpText(where, symbol + ".s", listing.assembly));
      }
    }
    return rt::Status::ok();
  }

  rt::Status write() {
    progress_.phase("packing weights");
    auto specs = weightSpecs(*module_, model_.config.maxPositions);
    auto places = placeWeights(specs);
    if (!places)
      return places.takeStatus();
    auto created = EngineWriter::create(options_.output, {.force = options_.force});
    if (!created)
      return created.takeStatus();
    std::unique_ptr<EngineWriter> writer = created.take();
    currentWriter = writer.get();
    rt::Status status = writeSections(*writer, specs, *places);
    currentWriter = nullptr;
    return status;
  }

  rt::Status writeSections(EngineWriter &writer, const std::vector<WeightSpec> &specs,
                           const std::vector<PackedWeight> &places) {
    PlanSections sections;
    for (const CodeImage &image : kernels_.images) {
      auto index = writer.addSection(rt::SectionKind::kCode, {image.bytes.data(), image.bytes.size()});
      if (!index)
        return index.takeStatus();
      sections.code.push_back(*index);
    }
    PackOptions pack;
    pack.threads = options_.jobs;
    pack.progress = [&](uint64_t done, uint64_t total) {
      progress_.advance(done, total);
      return true;
    };
    auto weights = packWeights(specs, CheckpointRows(*model_.checkpoint), writer, pack);
    if (!weights)
      return weights.takeStatus();
    sections.weights = *weights;
    if (!places.empty())
      summary_.weightBytes = places.back().offset + places.back().size;
    progress_.phase("writing");
    auto engine = *module_->getOps<plan::EngineOp>().begin();
    auto plan = serializePlan(engine, *module_, places, kernels_, sections);
    if (!plan)
      return plan.takeStatus();
    std::string explain = explainJson(*module_, kernels_, remarks_);
    const std::pair<rt::SectionKind, const std::string *> texts[] = {
        {rt::SectionKind::kPlan, &*plan},
        {rt::SectionKind::kTokenizer, &model_.tokenizerJson},
        {rt::SectionKind::kTemplate, &model_.chatTemplate},
        {rt::SectionKind::kDefaults, &model_.defaultsJson},
        {rt::SectionKind::kProvenance, &model_.provenanceJson},
        {rt::SectionKind::kExplain, &explain}};
    for (auto [kind, text] : texts) {
      if (text->empty())
        continue;
      auto index = writer.addSection(kind, *text);
      if (!index)
        return index.takeStatus();
    }
    return writer.finish();
  }

  rt::Status writeRemarks() {
    if (options_.remarks.empty())
      return rt::Status::ok();
    std::string text;
    for (const std::string &remark : remarks_)
      text += remark + "\n";
    if (options_.remarks == "-") {
      llvm::errs() << text;
      return rt::Status::ok();
    }
    std::error_code error;
    llvm::raw_fd_ostream out(options_.remarks, error);
    if (!error) {
      out << text;
      out.close();
      error = out.error();
      out.clear_error();
    }
    if (error)
      return rt::Status::error(rt::ErrorKind::kIo, "OUT_IO",
                               "cannot write " + options_.remarks + ": " + error.message());
    return rt::Status::ok();
  }

  rt::Result<BuildSummary> done() {
    progress_.finish();
    LLMC_TRY(writeRemarks());
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
  BuildSummary summary_;
};

} // namespace

rt::Result<BuildSummary> buildEngine(const BuildOptions &options) { return Build(options).run(); }

} // namespace llmc
