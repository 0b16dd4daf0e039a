// The kind of machine a module is compiled for, as passes ask for it.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// Name of the module attribute with the target, "cpu" or "cuda"; set by the build before any pass. None: cpu.
inline constexpr llvm::StringLiteral kTargetAttr = "llmc.target";

enum class Target { Cpu, Cuda };

/// The pass option `option` when it is not empty, else the module's attribute, else the CPU. Failure: a diagnostic on
/// the module that names what is known.
mlir::FailureOr<Target> targetOf(mlir::ModuleOp module, llvm::StringRef option = {});

} // namespace llmc
