// From kern.funcs to the code of an engine, for either target, with the texts on the way in the dump folder.
#pragma once

#include "compiler/pipeline/BuildEngine.h"
#include "compiler/pipeline/CompileKernels.h"

namespace llmc {

/// Names of the levels that a build with these options makes code for, as the engine has them.
std::vector<std::string> levelNames(const BuildOptions &options);

/// Compiles all kernels of `module` for options.cudaArchs, or options.levels when there are none. `progress` is called
/// under a lock. Errors: those of compileKernels and compileCudaKernels; OUT_IO for the dump folder.
rt::Result<CompiledKernels> generateCode(mlir::ModuleOp module, const BuildOptions &options,
                                         const std::function<void(size_t done, size_t total)> &progress);

} // namespace llmc
