// The EXPLAIN section: for each kernel what it came from, what was fused, what was refused and why.
#pragma once

#include "compiler/pipeline/CompileKernels.h"
#include "dialects/Kern/KernDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>
#include <vector>

namespace llmc {

/// JSON object {"kernels": [{name, family, origin, fused, variants: [{m_max, symbol, bytes: {level: n}, config: {level:
/// text}}]}], "refused":
/// [..]}. `remarks`: what the passes said; repeated ones (a line a layer) are counted once with their number of places.
std::string explainJson(mlir::ModuleOp module, const CompiledKernels &kernels, const std::vector<std::string> &remarks);

/// "@linear_960x576 (linear): fused F2, F12, from 3 ops", a line; empty when nothing was fused.
std::string fusedRemark(kern::FuncOp kernel);

} // namespace llmc
