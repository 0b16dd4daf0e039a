// From llm.weight symbols to what the packer packs.
#pragma once

#include "compiler/engine/WeightPacker.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// One spec a llm.weight of the module, in order. Requires: layouts assigned (kern-assign-layout).
std::vector<WeightSpec> weightSpecs(mlir::ModuleOp module, int64_t maxPositions);

} // namespace llmc
