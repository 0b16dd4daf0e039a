// Weights for evaluation without a model file: literals, or numbers drawn from a seed and the names of the sources.
#pragma once

#include "dialects/Reference/Interpreter.h"

namespace llmc::reference {

/// Name of the attribute (dense floats) that gives an llm.weight its values in a test.
inline constexpr llvm::StringLiteral kLiteralAttr = "llm.literal";

/// Values of one file tensor, [rows, cols]: uniform in +-sqrt(3 / cols), so that products keep their size; 1-D: 1 +-
/// 0.1. They depend on the name, not on the weight that uses it, so that a pass may merge or split weights.
Tensor randomSource(llm::SourceAttr source, int64_t cols, uint64_t seed);

/// Rows in the order that `arrange` asks for; unpermute applied to each part. Requires: one tensor a source.
Tensor arrangeRows(llm::WeightOp weight, const std::vector<Tensor>& parts);

/// Literal values where a weight has them, else random ones; a generated weight is empty (the interpreter never reads
/// it).
WeightProvider randomWeights(uint64_t seed);

}  // namespace llmc::reference
