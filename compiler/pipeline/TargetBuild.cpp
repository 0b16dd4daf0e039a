// One target, phase by phase.
#include "compiler/pipeline/TargetBuild.h"

#include "compiler/engine/CodePacker.h"
#include "compiler/graph/ModelBuilder.h"
#include "compiler/pipeline/ExplainJson.h"
#include "compiler/pipeline/GenerateCode.h"
#include "compiler/pipeline/ModelFacts.h"
#include "compiler/pipeline/SerializePlan.h"
#include "compiler/pipeline/WeightSpecs.h"
#include "compiler/quality/CheckTexts.h"
#include "passes/Passes.h"
#include "passes/Target.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/raw_ostream.h"

namespace llmc {

using namespace mlir;

TargetBuild::TargetBuild(const BuildOptions &options, Progress &progress, std::string prefix)
    : options_(options), progress_(progress), prefix_(std::move(prefix)) {
  summary_.archs = options_.cudaArchs;
}

rt::Status TargetBuild::compile() {
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

rt::Status TargetBuild::import() {
  phase("import");
  auto model = importModel(options_.model);
  if (!model)
    return model.takeStatus();
  model_ = model.take();
  LLMC_TRY(checkTexts(model_.tokenizerJson, model_.chatTemplate, {model_.tokenizerPlace, model_.templatePlace},
                      model_.warnings));
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

rt::Status TargetBuild::passes(const char *name, Phase which) {
  phase(name);
  LLMC_TRY(runPhase(*module_, which, options_.passes, remarks_));
  if (which == Phase::Graph && !cuda() && !options_.quiet)
    warnOfActivations(options_.passes.activations);
  return rt::Status::ok();
}

void TargetBuild::warnOfActivations(llvm::StringRef wanted) {
  if ((wanted == "int8" || wanted == "bf16") && productInputs(*module_) != wanted)
    llvm::errs() << "warning: --activations " << wanted << " has no effect: no matrix has "
                 << (wanted == "int8" ? "integer" : "bf16") << " weights, so all products stay f32"
                 << (wanted == "int8" ? " (--quant w8 or w4 makes integer weights)\n" : "\n");
}

rt::Status TargetBuild::dump(const char *name) {
  return options_.passes.printAfter == "all" ? dumpModule(name) : rt::Status::ok();
}

/// The IR where the user stopped, when no other was asked for.
rt::Status TargetBuild::dumpLast(const char *name) {
  const PassOptions &passes = options_.passes;
  return passes.printAfter.empty() && passes.printBefore.empty() ? dumpModule(name) : rt::Status::ok();
}

rt::Status TargetBuild::dumpModule(const char *name) {
  if (options_.passes.dumpDir.empty())
    return rt::Status::ok();
  std::string text;
  llvm::raw_string_ostream(text) << *module_;
  return dumpText(options_.passes, name, text);
}

/// Facts that plan-build copies into the plan.
void TargetBuild::describeModel() {
  Builder builder(&context_);
  const std::vector<std::string> names = levelNames(options_);
  llvm::SmallVector<llvm::StringRef> levels(names.begin(), names.end());
  std::string activations = productInputs(*module_);
  if (cuda())
    activations = options_.passes.scheme == "fp8" ? "e4m3" : "bf16";
  (*module_)->setAttr(kModelAttr, modelFacts(*module_, model_, activations));
  (*module_)->setAttr(kLevelsAttr, builder.getStrArrayAttr(levels));
}

rt::Status TargetBuild::generate() {
  phase("code generation");
  double from = progress_.seconds();
  auto kernels = generateCode(*module_, options_, [&](size_t done, size_t total) { progress_.advance(done, total); });
  if (!kernels)
    return kernels.takeStatus();
  kernels_ = kernels.take();
  summary_.codegenSeconds = progress_.seconds() - from;
  summary_.variants = kernels_.variants.size();
  const auto sections = kernels_.codeSections();
  summary_.levels = sections.size();
  for (std::string_view code : sections)
    summary_.codeBytes += code.size();
  return rt::Status::ok();
}

std::vector<WeightSpec> TargetBuild::specs() { return weightSpecs(*module_, model_.config.maxPositions); }

uint64_t TargetBuild::parameters() {
  auto facts = (*module_)->getAttrOfType<DictionaryAttr>(kModelAttr);
  auto count = facts ? facts.getAs<IntegerAttr>("parameters") : IntegerAttr();
  return count ? static_cast<uint64_t>(count.getInt()) : 0;
}

rt::Status TargetBuild::writeWeights(EngineWriter &writer) {
  phase("packing weights");
  const std::vector<WeightSpec> all = specs();
  auto places = placeWeights(all);
  if (!places)
    return places.takeStatus();
  places_ = places.take();
  PackOptions pack;
  pack.threads = options_.jobs;
  pack.seconds = &summary_.packing;
  pack.progress = [&](uint64_t done, uint64_t total) {
    progress_.advance(done, total);
    return true;
  };
  // Weights for a device are copied there: whole pages do, huge ones would be 2 MiB of nothing.
  const uint64_t alignment = cuda() ? rt::kPlanAlignment : 0;
  auto weights = options_.noWeights ? leaveRoomForWeights(all, writer, alignment)
                                    : packWeights(all, CheckpointRows(*model_.checkpoint), writer, pack, alignment);
  if (!weights)
    return weights.takeStatus();
  weightsSection_ = *weights;
  if (!places_.empty())
    summary_.weightBytes = places_.back().offset + places_.back().size;
  return rt::Status::ok();
}

/// Images for CPUs are mapped as they are; a driver takes a copy in any case.
rt::Result<uint32_t> TargetBuild::writeCode(EngineWriter &writer, std::string_view code) const {
  if (!cuda())
    return writer.addSection(rt::SectionKind::kCode, code);
  auto frame = packCode(code);
  if (!frame)
    return frame.takeStatus();
  return writer.addPackedCode(*frame);
}

rt::Status TargetBuild::writeProgram(EngineWriter &writer) {
  PlanSections sections;
  sections.weights = weightsSection_;
  for (std::string_view code : kernels_.codeSections()) {
    auto index = writeCode(writer, code);
    if (!index)
      return index.takeStatus();
    sections.code.push_back(*index);
  }
  auto engine = *module_->getOps<plan::EngineOp>().begin();
  auto plan = serializePlan(engine, *module_, places_, kernels_, sections);
  return plan ? addText(writer, rt::SectionKind::kPlan, *plan) : plan.takeStatus();
}

rt::Status TargetBuild::writeTexts(EngineWriter &writer) const {
  if (!model_.tokenizerJson.empty()) {
    auto texts = tokenizerTexts(model_.tokenizerJson);
    if (!texts)
      return texts.takeStatus();
    LLMC_TRY(addText(writer, rt::SectionKind::kTokenizer, texts->json));
    LLMC_TRY(addText(writer, rt::SectionKind::kTokens, texts->table));
  }
  LLMC_TRY(addText(writer, rt::SectionKind::kTemplate, model_.chatTemplate));
  return addText(writer, rt::SectionKind::kDefaults, model_.defaultsJson);
}

rt::Status TargetBuild::writeExplanation(EngineWriter &writer) const {
  return addText(writer, rt::SectionKind::kExplain, explainJson(*module_, kernels_, remarks_));
}

std::string TargetBuild::remarks() {
  std::string text;
  for (auto kernel : module_->getOps<kern::FuncOp>())
    text += fusedRemark(kernel);
  for (const std::string &remark : remarks_)
    text += remark + "\n";
  return text;
}

TargetSummary TargetBuild::summary() {
  auto engines = module_->getOps<plan::EngineOp>();
  if (!engines.empty() && summary_.memoryFormula.empty())
    describeMemory(*engines.begin());
  return summary_;
}

void TargetBuild::describeMemory(plan::EngineOp engine) {
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

rt::Status addText(EngineWriter &writer, rt::SectionKind kind, const std::string &text) {
  if (text.empty())
    return rt::Status::ok();
  auto index = writer.addSection(kind, text);
  return index ? rt::Status::ok() : index.takeStatus();
}

} // namespace llmc
