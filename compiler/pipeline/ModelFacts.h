// The facts of a model that an engine carries: the `model` dictionary of plan.engine.
#pragma once

#include "compiler/import/ImportedModel.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// What inputs of products have become on a CPU: "int8" or "bf16" where any has, else "f32".
std::string productInputs(mlir::ModuleOp module);

/// Fields of engine.fbs' Model.
mlir::DictionaryAttr modelFacts(mlir::ModuleOp module, const ImportedModel &model, const std::string &activations);

} // namespace llmc
