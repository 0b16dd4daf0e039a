// The facts of a model that an engine carries: the `model` dictionary of plan.engine.
#pragma once

#include "compiler/import/ImportedModel.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmc {

/// What inputs of products have become on a CPU: "int8" or "bf16" where any has, else "f32".
std::string productInputs(mlir::ModuleOp module);

/// Fields of engine.fbs' Model. `name`: what the API calls the model, from the path it was built from.
mlir::DictionaryAttr modelFacts(mlir::ModuleOp module, const ImportedModel &model, const std::string &path,
                                const std::string &activations);

/// "llama-3" for "/models/llama-3/" or "/models/llama-3.gguf".
std::string modelName(const std::string &path);

} // namespace llmc
