// The compiler of the target, then one file a text.
#include "compiler/pipeline/GenerateCode.h"

#include "compiler/pipeline/CompileCudaKernels.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

namespace llmc {

using namespace mlir;

static std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << *module << "\n";
  return text;
}

static rt::Status dumpListings(const CompiledKernels &kernels, const PassOptions &options) {
  PassOptions where = options;
  for (size_t level = 0; level < kernels.levels.size(); ++level) {
    where.dumpDir = options.dumpDir + "/kernels-" + kernels.levels[level]->name.str();
    for (size_t i = 0; i < kernels.variants.size(); ++i) {
      const KernelListing &listing = kernels.listings[level][i];
      const std::string &symbol = kernels.variants[i].symbol;
      LLMC_TRY(dumpText(where, symbol + ".mlir", listing.mlir));
      LLMC_TRY(dumpText(where, symbol + ".ll", listing.llvmIr));
      LLMC_TRY(dumpText(where, symbol + ".s", listing.assembly));
    }
  }
  return rt::Status::ok();
}

static rt::Status writeFile(const std::string &path, llvm::StringRef bytes) {
  std::error_code error;
  llvm::raw_fd_ostream out(path, error);
  if (!error) {
    out << bytes;
    out.close();
    error = out.error();
    out.clear_error();
  }
  if (!error)
    return rt::Status::ok();
  return rt::Status::error(rt::ErrorKind::kIo, "OUT_IO", "cannot write " + path + ": " + error.message(),
                           "free space or name another --dump-dir");
}

/// What a dumped text begins with: the launch, and what ptxas made of it (of PTX nothing is known).
static std::string numbersOf(const CudaVariant &variant) {
  const CompiledText &made = variant.compiled;
  std::string text = "// launch " + describeLaunch(variant.kernel) + "\n";
  if (made.registers > 0)
    text += "// " + std::to_string(made.registers) + " registers a thread, " + std::to_string(made.spillBytes) +
            " bytes of spills and arrays, " + std::to_string(made.sharedBytes) + " bytes of static shared memory\n";
  return text;
}

/// SYMBOL.ARCH.mlir, .cu, .ptx and .cubin for each variant and level; what only the PTX level has has no cubin.
static rt::Status dumpCudaListings(const CompiledKernels &kernels, const std::string &folder) {
  (void)llvm::sys::fs::create_directories(folder); // whatever is wrong with it, the first file says
  for (const CudaLevel &level : kernels.cuda) {
    const std::string arch = llvm::StringRef(level.name).split(':').second.str();
    for (size_t i = 0; i < level.variants.size(); ++i) {
      const CudaVariant &variant = level.variants[i];
      const std::string stem = folder + "/" + kernels.variants[i].symbol + "." + arch;
      LLMC_TRY(writeFile(stem + ".mlir", kernels.kernelIr[i]));
      LLMC_TRY(writeFile(stem + ".cu", numbersOf(variant) + variant.kernel.text));
      LLMC_TRY(writeFile(stem + ".ptx", variant.compiled.ptx));
      if (llvm::StringRef(arch).starts_with("sm_"))
        LLMC_TRY(writeFile(stem + ".cubin", variant.compiled.cubin));
    }
  }
  return rt::Status::ok();
}

/// Without a dump folder, on stderr: what the lowering of each variant and level has made.
static void printListings(const CompiledKernels &kernels, llvm::StringRef flag) {
  auto print = [&](size_t variant, llvm::StringRef level, llvm::StringRef text) {
    llvm::errs() << "// IR after " << flag << ": " << kernels.variants[variant].symbol << ", " << level << "\n"
                 << text << "\n";
  };
  for (size_t level = 0; level < kernels.levels.size(); ++level)
    for (size_t i = 0; i < kernels.variants.size(); ++i)
      print(i, kernels.levels[level]->name, kernels.listings[level][i].mlir);
  for (const CudaLevel &level : kernels.cuda)
    for (size_t i = 0; i < level.variants.size(); ++i)
      print(i, level.name, level.variants[i].kernel.text);
}

std::vector<std::string> levelNames(const BuildOptions &options) {
  return options.cudaArchs.empty() ? options.levels : cudaLevelNames(options.cudaArchs);
}

rt::Result<CompiledKernels> generateCode(ModuleOp module, const BuildOptions &options,
                                         const std::function<void(size_t, size_t)> &progress) {
  const std::string &folder = options.passes.dumpDir, &shown = options.passes.printAfter;
  const bool cuda = !options.cudaArchs.empty();
  const char *flag = loweringFlag(cuda);
  const bool printed = folder.empty() && (shown == "all" || shown == flag);
  LLMC_TRY(printIr(options.passes, "before", flag, [&] { return textOf(module); }));
  if (cuda) {
    auto kernels = compileCudaKernels(module, {options.cudaArchs, options.jobs, !folder.empty() || printed, progress});
    if (kernels && !folder.empty())
      LLMC_TRY(dumpCudaListings(*kernels, folder));
    if (kernels && printed)
      printListings(*kernels, flag);
    return kernels;
  }
  CompileOptions compile;
  for (const std::string &name : options.levels)
    compile.levels.push_back(findLevel(name));
  compile.threads = options.jobs;
  compile.listings = !folder.empty() || printed;
  compile.progress = progress;
  auto kernels = compileKernels(module, compile);
  if (kernels && !folder.empty())
    LLMC_TRY(dumpListings(*kernels, options.passes));
  if (kernels && printed)
    printListings(*kernels, flag);
  return kernels;
}

} // namespace llmc
