// Builds the llm IR of a model from its config and the types of its tensors; no weight is read.
#pragma once

#include "compiler/import/ImportedModel.h"
#include "compiler/models/Family.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace llmc {

/// A module with one llm.weight a tensor and @forward(!llm.batch, !llm.kv) -> [T, vocab] logits. Locations name places
/// in the model ("layers.3.attention.q"). Requires: a model that was imported. Errors: CF_INCONSISTENT, a config that
/// asks for a part the family has not.
rt::Result<mlir::OwningOpRef<mlir::ModuleOp>> buildModel(mlir::MLIRContext* context, const ImportedModel& model);

}  // namespace llmc
