// Compiles every variant of every kern.func at every level, in parallel, into one image a level. Levels with the same
// code for a variant share its compilation.
#pragma once

#include "codegen/cpu/ImageLinker.h"
#include "codegen/cpu/Level.h"
#include "codegen/cpu/ObjectCompiler.h"
#include "compiler/pipeline/CudaLevel.h"
#include "dialects/Kern/KernDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/status.h"
#include <functional>

namespace llmc {

/// One function of an image, or of a cubin.
struct KernelVariant {
  std::string kernel;           ///< name of the kern.func
  int64_t mMax = 0;             ///< class it was generated for
  std::string symbol;           ///< "linear_960x576_m4"
  std::vector<bool> exact = {}; ///< by CPU level: isExact() of KernelEmitter.h
};

struct CompiledKernels {
  std::vector<KernelVariant> variants;
  std::vector<const Level *> levels;
  std::vector<CodeImage> images;                    ///< by level
  std::vector<std::vector<KernelListing>> listings; ///< [level][variant], when asked for
  std::vector<CudaLevel> cuda;                      ///< target cuda: in place of levels, images and listings
  std::vector<std::string> kernelIr;                ///< target cuda, when listings are asked for: a variant's kern.func

  /// Bytes of each level's code section.
  std::vector<std::string_view> codeSections() const;
};

/// Appends the variants of all kern.funcs' configs to `variants` and returns the text of each one's kern.func; with
/// `places` each op's place in the model goes with it.
std::vector<std::string> listVariants(mlir::ModuleOp module, std::vector<KernelVariant> &variants, bool places = false);

struct CompileOptions {
  std::vector<const Level *> levels;
  unsigned threads = 1;
  bool listings = false;
  std::function<void(size_t done, size_t total)> progress; ///< called under a lock
};

/// Writes llmc.scratch_bytes on every kern.func; plan-build reads it. `tMax`: tokens of the decode program.
void assignScratch(mlir::ModuleOp module, int64_t tMax);

/// Variants are those of each kern.func's config. The images do not depend on the number of threads.
/// Errors: CG_KERNEL with the kernel's name and the reason; CG_LINK (70, or 69
/// where the system gives no file, thread or memory).
rt::Result<CompiledKernels> compileKernels(mlir::ModuleOp module, const CompileOptions &options);

} // namespace llmc
