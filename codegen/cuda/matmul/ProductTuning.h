// Configurations of products by the numbers that the IR and a tuning database have of them.
#pragma once

#include "codegen/cuda/TunedChoice.h"
#include "codegen/cuda/matmul/ProductConfig.h"
#include "codegen/registry/TuningDatabase.h"

namespace llmc {

/// What tells `config` from the other legal ones of its shape: "k_warps", "splits", "panels", "held" of a stream;
/// "form" (1: tile, 2: warpgroups), "row_warps", "token_warps", "panels", "tiles", "stages" of the others.
std::vector<TunedNumber> productNumbers(const ProductConfig &config);

/// The fastest by the model of the legal configurations that have `numbers`; all of them when empty. An unknown name,
/// or numbers that no legal one has: a text in `fault` (else empty), and chooseProduct().
ProductConfig productWith(const Arch &arch, const ProductShape &shape, llvm::ArrayRef<TunedNumber> numbers,
                          std::string &fault, bool warpgroups = false);

} // namespace llmc
