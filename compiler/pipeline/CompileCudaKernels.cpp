// A task a (level, variant): text from the kernel's IR, parsed into a context of its own, then NVRTC.
#include "compiler/pipeline/CompileCudaKernels.h"

#include "compiler/pipeline/TaskPool.h"
#include "dialects/LLM/LLMDialect.h"
#include "runtime/format/cuda_abi.h"
#include "mlir/Parser/Parser.h"

namespace llmc {

using namespace mlir;

namespace {

/// Cubins and PTX start at multiples of this in a level's code, as the section does.
constexpr size_t kCodeAlignment = 64;

/// "sm_90a" -> "90": PTX without the a runs on later devices, too.
std::string baseNumber(llvm::StringRef arch) {
  arch.consume_front("sm_");
  return arch.rtrim("abcdefghijklmnopqrstuvwxyz").str();
}

/// What to generate for one level.
struct LevelTarget {
  std::string level, name; ///< "cuda:compute_90", "sm_90"
  Arch arch;               ///< its name is `name`
  bool ptx;
};

/// PTX is for devices that are not out yet: nothing that only its own architecture has, and no more shared memory than
/// the least of them all has.
std::vector<std::unique_ptr<LevelTarget>> targetsOf(const std::vector<std::string> &archs) {
  std::vector<std::unique_ptr<LevelTarget>> targets;
  for (const std::string &name : archs)
    targets.push_back(std::make_unique<LevelTarget>(
        LevelTarget{std::string(rt::cuda::kTarget) + ":" + name, name, *findArch(name), false}));
  const std::string number = baseNumber(archs.back());
  auto last = std::make_unique<LevelTarget>(
      LevelTarget{std::string(rt::cuda::kPtxLevel) + number, "sm_" + number, *findArch(archs.back()), true});
  last->arch.wgmma = false;
  last->arch.measurable = false;
  for (const Arch &arch : cudaArchs())
    last->arch.sharedBytesMax = std::min(last->arch.sharedBytesMax, arch.sharedBytesMax);
  targets.push_back(std::move(last));
  for (auto &target : targets)
    target->arch.name = target->name;
  return targets;
}

rt::Result<KernelText> emitOne(const std::string &source, const KernelVariant &variant, const Arch &arch) {
  DialectRegistry registry;
  registry.insert<llm::LLMDialect, kern::KernDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      llvm::raw_string_ostream(message) << diagnostic;
  });
  auto parsed = parseSourceString<ModuleOp>(source, ParserConfig(&context));
  if (parsed)
    if (auto text = emitCudaKernel({*parsed->getOps<kern::FuncOp>().begin(), variant.symbol, arch, variant.mMax});
        succeeded(text))
      return std::move(*text);
  return rt::Status::error(rt::ErrorKind::kInternal, "CG_KERNEL",
                           "cannot write " + variant.symbol + " for " + arch.name.str() + ": " + message);
}

/// Puts the variants' code into one section.
CudaLevel link(const LevelTarget &target, std::vector<CudaVariant> variants, bool listings) {
  CudaLevel level{target.level, "", std::move(variants)};
  for (CudaVariant &variant : level.variants) {
    CompiledText &compiled = variant.compiled;
    level.code.resize((level.code.size() + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment, '\0');
    variant.offset = level.code.size();
    level.code += target.ptx ? compiled.ptx + '\0' : compiled.cubin;
    variant.size = level.code.size() - variant.offset;
    if (listings)
      continue;
    for (std::string *text : {&compiled.cubin, &compiled.ptx, &variant.kernel.text})
      *text = {};
  }
  return level;
}

} // namespace

std::vector<std::string> cudaLevelNames(const std::vector<std::string> &archs) {
  std::vector<std::string> names;
  for (auto &target : targetsOf(archs))
    names.push_back(target->level);
  return names;
}

rt::Result<CompiledKernels> compileCudaKernels(ModuleOp module, const CudaCompileOptions &options) {
  auto nvrtc = Nvrtc::load();
  if (!nvrtc)
    return nvrtc.takeStatus();
  CompiledKernels all;
  // Comments in the text name each op's layer.
  const std::vector<std::string> sources = listVariants(module, all.variants, /*places=*/true);
  auto targets = targetsOf(options.archs);
  const size_t perLevel = all.variants.size();
  TaskPool<CudaVariant> pool(perLevel * targets.size(), options.threads, options.progress);
  LLMC_TRY(pool.run([&](size_t i) -> rt::Result<CudaVariant> {
    const Arch &arch = targets[i / perLevel]->arch;
    auto text = emitOne(sources[i % perLevel], all.variants[i % perLevel], arch);
    if (!text)
      return text.takeStatus();
    auto compiled = (*nvrtc)->compile(*text, arch);
    if (!compiled)
      return compiled.takeStatus();
    return CudaVariant{text.take(), compiled.take()};
  }));
  for (size_t level = 0; level < targets.size(); ++level) {
    std::vector<CudaVariant> variants;
    for (size_t i = 0; i < perLevel; ++i)
      variants.push_back(std::move(pool.result(level * perLevel + i)));
    all.cuda.push_back(link(*targets[level], std::move(variants), options.listings));
  }
  std::vector<KernelVariant> same;
  if (options.listings)
    all.kernelIr = listVariants(module, same);
  return all;
}

} // namespace llmc
