// A task a (level, variant): each parses its kernel into a context of its own, so that tasks share nothing.
#include "compiler/pipeline/CompileKernels.h"

#include "codegen/cpu/KernelEmitter.h"
#include "dialects/LLM/LLMDialect.h"
#include "passes/Passes.h"
#include "mlir/Parser/Parser.h"
#include <atomic>
#include <mutex>
#include <thread>

namespace llmc {

using namespace mlir;

void assignScratch(ModuleOp module, int64_t tMax) {
  for (auto kernel : module.getOps<kern::FuncOp>())
    if (int64_t bytes = scratchBytes(kernel, tMax))
      kernel->setAttr(kScratchAttr, IntegerAttr::get(IntegerType::get(module.getContext(), 64), bytes));
}

namespace {

/// What a task needs of a kernel: its text, parsed anew by every task.
struct KernelSource {
  std::string name, text;
};

rt::Status failure(llvm::StringRef symbol, const Level &level, llvm::StringRef why) {
  return rt::Status::error(rt::ErrorKind::kInternal, "CG_KERNEL",
                           "cannot compile " + symbol.str() + " for " + level.name.str() + ": " + why.str());
}

rt::Result<CompiledKernel> compileOne(const KernelSource &source, const KernelVariant &variant, const Level &level,
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
  auto parsed = parseSourceString<ModuleOp>(source.text, ParserConfig(&context));
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

/// Results of all tasks, filled by any thread, read in order.
class TaskPool {
public:
  TaskPool(size_t count, const CompileOptions &options) : options_(options), results_(count) {}

  void run(llvm::function_ref<rt::Result<CompiledKernel>(size_t)> task) {
    std::vector<std::thread> threads;
    auto work = [&] {
      for (size_t i; !failed_ && (i = next_++) < results_.size();) {
        auto result = task(i);
        std::lock_guard<std::mutex> lock(mutex_);
        if (result)
          results_[i] = result.take();
        else if (!failed_.exchange(true))
          status_ = result.takeStatus();
        if (options_.progress)
          options_.progress(++done_, results_.size());
      }
    };
    for (unsigned t = 1; t < options_.threads; ++t)
      threads.emplace_back(work);
    work();
    for (std::thread &thread : threads)
      thread.join();
  }

  rt::Status takeStatus() { return std::move(status_); }
  CompiledKernel &result(size_t i) { return results_[i]; }

private:
  const CompileOptions &options_;
  std::vector<CompiledKernel> results_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  rt::Status status_;
  size_t done_ = 0;
};

std::string textOf(kern::FuncOp kernel) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  kernel->print(stream, OpPrintingFlags().useLocalScope());
  return text;
}

} // namespace

rt::Result<CompiledKernels> compileKernels(ModuleOp module, const CompileOptions &options) {
  CompiledKernels all;
  all.levels = options.levels;
  std::vector<KernelSource> sources; // by variant
  for (auto kernel : module.getOps<kern::FuncOp>()) {
    KernelSource source{kernel.getSymName().str(), textOf(kernel)};
    for (auto config : kernel.getConfigAttr().getAsRange<kern::ConfigAttr>()) {
      std::string suffix = config.getMMax() == 0 ? "_any" : "_m" + std::to_string(config.getMMax());
      all.variants.push_back({source.name, config.getMMax(), source.name + suffix});
      sources.push_back(source);
    }
  }
  size_t perLevel = all.variants.size();
  TaskPool pool(perLevel * options.levels.size(), options);
  pool.run([&](size_t i) {
    return compileOne(sources[i % perLevel], all.variants[i % perLevel], *options.levels[i / perLevel],
                      options.listings);
  });
  LLMC_TRY(pool.takeStatus());
  for (size_t level = 0; level < options.levels.size(); ++level) {
    std::vector<llvm::SmallVector<char, 0>> objects;
    std::vector<KernelListing> listings;
    for (size_t i = 0; i < perLevel; ++i) {
      CompiledKernel &kernel = pool.result(level * perLevel + i);
      objects.push_back(std::move(kernel.object));
      listings.push_back(std::move(kernel.listing));
    }
    auto image = linkImage(objects);
    if (!image)
      return rt::Status::error(rt::ErrorKind::kInternal, "CG_LINK", llvm::toString(image.takeError()));
    all.images.push_back(std::move(*image));
    all.listings.push_back(std::move(listings));
  }
  return all;
}

} // namespace llmc
