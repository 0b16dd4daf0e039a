// Whether what a tuning database says of CUDA kernels is something that code generation can do.
#pragma once

#include "codegen/registry/TuningDatabase.h"

namespace llmc {

/// Whether the records of `database` for CUDA name kernels, classes and configurations that are legal. `name`: of the
/// file. Error TUNE_FILE (65) with name, line, what was expected and what was found.
rt::Status checkCudaRecords(const TuningDatabase &database, llvm::StringRef name);

} // namespace llmc
