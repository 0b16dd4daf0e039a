// Configurations of products by the numbers that the IR and a tuning database have of them.
#pragma once

#include "codegen/cuda/matmul/ProductConfig.h"
#include "codegen/registry/TuningDatabase.h"
#include "dialects/Kern/KernDialect.h"

namespace llmc {

/// What tells `config` from the other legal ones of its shape: "k_warps", "splits", "panels", "held" of a stream;
/// "form" (1: tile, 2: warpgroups), "row_warps", "token_warps", "panels", "tiles", "stages" of the others.
std::vector<TunedNumber> productNumbers(const ProductConfig &config);

/// The fastest by the model of the legal configurations that have `numbers`; all of them when empty. An unknown name,
/// or numbers that no legal one has: a text in `fault` (else empty), and chooseProduct().
ProductConfig productWith(const Arch &arch, const ProductShape &shape, llvm::ArrayRef<TunedNumber> numbers,
                          std::string &fault, bool warpgroups = false);

/// Numbers that kern-select-config has left for a variant of `function` on an architecture; none: the model decides.
std::vector<TunedNumber> tunedNumbers(kern::FuncOp function, int64_t mMax, llvm::StringRef arch);

/// Whether the records of `database` for CUDA name products, classes and configurations that are legal. `name`: of the
/// file. Error TUNE_FILE (65) with name, line, what was expected and what was found.
rt::Status checkProductRecords(const TuningDatabase &database, llvm::StringRef name);

} // namespace llmc
