// All passes of llmc: creation functions, options and registration, generated from Passes.td.
#pragma once

#include "dialects/Kern/KernDialect.h"
#include "dialects/LLM/LLMDialect.h"
#include "dialects/Plan/PlanDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace llmc {

/// Name of the module attribute (i64) with the longest context in tokens; set by the importer, read by
/// llm-add-rope-table.
inline constexpr llvm::StringLiteral kMaxPositionsAttr = "llmc.max_positions";
/// Name of the function attribute (i64) with the most tokens a program takes (0: any number); set by
/// llm-split-programs.
inline constexpr llvm::StringLiteral kTokensMaxAttr = "llmc.t_max";
/// Name of the function attribute (i64) with the most tokens a sequence may have in a program's step (0: any number);
/// set by llm-split-programs.
inline constexpr llvm::StringLiteral kQueryMaxAttr = "llmc.q_max";
/// Name of the module attribute (dictionary) with the facts of the model, as plan.engine carries them.
inline constexpr llvm::StringLiteral kModelAttr = "llmc.model";
/// Name of the module attribute (array of names) with the levels to compile for: of the CPU, or "cuda:sm_90a".
inline constexpr llvm::StringLiteral kLevelsAttr = "llmc.levels";
/// Name of the kern.func attribute (i64) with the scratch bytes a worker needs; set by code generation.
inline constexpr llvm::StringLiteral kScratchAttr = "llmc.scratch_bytes";
/// Tokens that the decode program takes at most: every worker recomputes the rows before a matrix product itself.
inline constexpr int64_t kDecodeTokens = 4;

/// Columns of a tile of logits that the head gives the largest of: 384 tiles of a vocabulary of 49,152 spread over many
/// workers, and a row's tiles are 1/64 of its bytes.
inline constexpr int64_t kArgmaxTile = 128;
/// The same on a device, where a tile is a block of its own and fewer of them are copied to the host.
inline constexpr int64_t kCudaArgmaxTile = 1024;

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

/// Makes every pass known to llmc-opt by its flag.
inline void registerPasses() { registerLlmcPasses(); }

} // namespace llmc
