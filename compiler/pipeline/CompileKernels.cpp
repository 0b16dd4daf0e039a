// A task a (level, variant): each parses its kernel into a context of its own, so that tasks share nothing.
#include "compiler/pipeline/CompileKernels.h"

#include "codegen/cpu/KernelEmitter.h"
#include "compiler/pipeline/TaskPool.h"
#include "dialects/LLM/LLMDialect.h"
#include "passes/Passes.h"
#include "mlir/Parser/Parser.h"

namespace llmc {

using namespace mlir;

void assignScratch(ModuleOp module, int64_t tMax) {
  for (auto kernel : module.getOps<kern::FuncOp>())
    if (int64_t bytes = scratchBytes(kernel, tMax))
      kernel->setAttr(kScratchAttr, IntegerAttr::get(IntegerType::get(module.getContext(), 64), bytes));
}

namespace {

rt::Status failure(llvm::StringRef symbol, const Level &level, llvm::StringRef why) {
  return rt::Status::error(rt::ErrorKind::kInternal, "CG_KERNEL",
                           "cannot compile " + symbol.str() + " for " + level.name.str() + ": " + why.str());
}

rt::Status linkFailure(llvm::Error error) {
  std::error_code code;
  std::string message;
  llvm::handleAllErrors(std::move(error), [&](const llvm::ErrorInfoBase &info) {
    code = info.convertToErrorCode();
    message = info.message();
  });
  if (code == llvm::inconvertibleErrorCode())
    return rt::Status::error(rt::ErrorKind::kInternal, "CG_LINK", message);
  return rt::Status::error(rt::ErrorKind::kUnavailable, "CG_LINK", "cannot link the kernels: " + message,
                           "lift the limits of open files, processes and memory (ulimit -n, -u, -v)");
}

rt::Result<CompiledKernel> compileOne(const std::string &source, const KernelVariant &variant, const Level &level,
                                      bool listing) {
  DialectRegistry registry;
  registerKernelDialects(registry);
  registry.insert<llm::LLMDialect, kern::KernDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      llvm::raw_string_ostream(message) << diagnostic;
  });
  auto parsed = parseSourceString<ModuleOp>(source, ParserConfig(&context));
  if (!parsed)
    return failure(variant.symbol, level, message);
  auto function = *parsed->getOps<kern::FuncOp>().begin();
  OwningOpRef<ModuleOp> module = ModuleOp::create(function.getLoc());
  context.loadAllAvailableDialects();
  if (failed(emitKernel(*module, EmitRequest{function, variant.symbol, level, variant.mMax})))
    return failure(variant.symbol, level, message);
  auto compiled = compileKernel(*module, level, listing);
  if (!compiled)
    return failure(variant.symbol, level, llvm::toString(compiled.takeError()));
  return std::move(*compiled);
}

std::string textOf(kern::FuncOp kernel, bool places) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  kernel->print(stream, OpPrintingFlags().useLocalScope().enableDebugInfo(places));
  return text;
}

} // namespace

std::vector<std::string_view> CompiledKernels::codeSections() const {
  std::vector<std::string_view> sections;
  for (const CodeImage &image : images)
    sections.emplace_back(image.bytes.data(), image.bytes.size());
  for (const CudaLevel &level : cuda)
    sections.emplace_back(level.code);
  return sections;
}

/// Which entry of [level][variant] has the code of each: itself, or an earlier level's where that is the same.
static std::vector<size_t> codeOwners(ModuleOp module, llvm::ArrayRef<const Level *> levels) {
  std::vector<std::pair<kern::FuncOp, int64_t>> variants;
  for (auto kernel : module.getOps<kern::FuncOp>())
    for (const kern::Variant &variant : kernel.getVariants())
      variants.emplace_back(kernel, variant.mMax);
  std::vector<size_t> owners;
  for (size_t level = 0; level < levels.size(); ++level)
    for (size_t i = 0; i < variants.size(); ++i) {
      size_t owner = level;
      for (size_t earlier = 0; earlier < level && owner == level; ++earlier)
        if (sameCode(variants[i].first, variants[i].second, *levels[earlier], *levels[level]))
          owner = earlier;
      owners.push_back(owner * variants.size() + i);
    }
  return owners;
}

std::vector<std::string> listVariants(ModuleOp module, std::vector<KernelVariant> &variants, bool places) {
  std::vector<std::string> sources;
  for (auto kernel : module.getOps<kern::FuncOp>()) {
    std::string name = kernel.getSymName().str(), text = textOf(kernel, places);
    for (kern::Variant &variant : kernel.getVariants()) {
      variants.push_back({name, variant.mMax, std::move(variant.symbol), {}});
      sources.push_back(text);
    }
  }
  return sources;
}

/// Fills KernelVariant::exact of what listVariants() has listed.
static void markExact(ModuleOp module, llvm::ArrayRef<const Level *> levels, std::vector<KernelVariant> &variants) {
  for (KernelVariant &variant : variants) {
    auto kernel = module.lookupSymbol<kern::FuncOp>(variant.kernel);
    for (const Level *level : levels)
      variant.exact.push_back(isExact(kernel, variant.mMax, *level));
  }
}

rt::Result<CompiledKernels> compileKernels(ModuleOp module, const CompileOptions &options) {
  CompiledKernels all;
  all.levels = options.levels;
  std::vector<std::string> sources = listVariants(module, all.variants);
  markExact(module, options.levels, all.variants);
  size_t perLevel = all.variants.size();
  std::vector<size_t> owners = codeOwners(module, options.levels), tasks, places(owners.size());
  for (size_t i = 0; i < owners.size(); ++i)
    if (owners[i] == i) {
      places[i] = tasks.size();
      tasks.push_back(i);
    }
  TaskPool<CompiledKernel> pool(tasks.size(), options.threads, options.progress);
  LLMC_TRY(pool.run([&](size_t task) {
    const size_t i = tasks[task];
    return compileOne(sources[i % perLevel], all.variants[i % perLevel], *options.levels[i / perLevel],
                      options.listings);
  }));
  for (size_t level = 0; level < options.levels.size(); ++level) {
    std::vector<llvm::SmallVector<char, 0>> objects;
    std::vector<KernelListing> listings;
    for (size_t i = 0; i < perLevel; ++i) {
      const CompiledKernel &kernel = pool.result(places[owners[level * perLevel + i]]);
      objects.push_back(kernel.object);
      listings.push_back(kernel.listing);
    }
    auto image = linkImage(objects);
    if (!image)
      return linkFailure(image.takeError());
    all.images.push_back(std::move(*image));
    all.listings.push_back(std::move(listings));
  }
  return all;
}

} // namespace llmc
