// Remarks about fusions: what was done and, above all, what was not and why.
#pragma once

#include "mlir/IR/Operation.h"

namespace llmc {

/// "missed PATTERN: reason" on the op that stayed as it was; "missed PATTERN in @decode: reason" once programs are
/// split.
mlir::InFlightDiagnostic missed(mlir::Operation *op, llvm::StringRef pattern);

/// Name the importer gave to this op's place in the model ("layers.3.attention.qkv"), or the op's own name.
std::string originOf(mlir::Operation *op);

} // namespace llmc
